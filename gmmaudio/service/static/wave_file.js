// WAV files of one channel with 16 bits for each sample, which every decoder reads.

const HEAD = 44;
export const bytesPerSecond = rate => 2 * rate;

// Return pieces of samples, -1 to 1, as a WAV file.
export function waveFile(pieces, rate) {
  const n = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(HEAD + 2 * n));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEAD - 8 + 2 * n, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, bytesPerSecond(rate), true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * n, true);
  let at = HEAD;
  for (const piece of pieces)
    for (const sample of piece) {
      view.setInt16(at, Math.round(32767 * Math.min(Math.max(sample, -1), 1)), true);
      at += 2;
    }
  return new Blob([view], { type: "audio/wav" });
}
