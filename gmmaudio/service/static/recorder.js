// Recording by the microphone, to a WAV file in the memory of the page.

import { waveFile } from "./wave_file.js";

const WORKLET = new URL("recording_worklet.js", import.meta.url);
// what helps telephone calls changes music
const WANTED = { audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } };

// Return why this browser cannot record here, or null.
export function whyNot() {
  if (!window.isSecureContext)
    return "Browsers record only on pages that come by https or from localhost, which this one does not. Record with another program, and choose the file.";
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode)
    return "This browser cannot record. Record with another program, and choose the file.";
  return null;
}

// Return an error of getUserMedia in words.
export function refusal(error) {
  return {
    NotAllowedError: "The browser may not use the microphone. Allow it for this page (the sign beside the address), and press Record again.",
    NotFoundError: "No microphone was found. Connect one, and press Record again.",
    NotReadableError: "The microphone is in use by another program. Close that, and press Record again.",
  }[error.name] || "Recording could not be started: " + error.message;
}

// Return a running recording. `onPiece(piece, seconds)` is called ten times a second, `onLost()` if the microphone goes.
export async function startRecording(onPiece, onLost) {
  const stream = await navigator.mediaDevices.getUserMedia(WANTED);
  const context = new AudioContext(), pieces = [];
  const close = () => {
    stream.getTracks().forEach(track => track.stop());
    return context.state === "closed" ? null : context.close();
  };
  let node, n = 0;
  try {
    await context.audioWorklet.addModule(WORKLET);
    await context.resume();
    node = new AudioWorkletNode(context, "recording");
  } catch (error) {
    await close();
    throw error;
  }
  const ended = new Promise(resolve => {
    node.port.onmessage = ({ data }) => {
      if (data === null) return resolve();
      pieces.push(data);
      n += data.length;
      onPiece(data, n / context.sampleRate);
    };
  });
  stream.getTracks().forEach(track => track.addEventListener("ended", onLost));
  // its output is silence; a node that leads nowhere may not be run
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
  return {
    rate: context.sampleRate,
    discard: close,
    async stop() {
      node.port.postMessage("stop");
      // a context that the system has suspended answers nothing
      await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 500))]);
      const file = waveFile(pieces, context.sampleRate);
      await close();
      return file;
    },
  };
}
