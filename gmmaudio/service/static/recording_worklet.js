// The samples of the microphone, collected on the thread of the sound: one channel, a tenth of a second at a time.

class Recording extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(Math.round(sampleRate / 10));
    this.n = 0;
    this.isOver = false;
    this.port.onmessage = () => {
      this.post();
      this.port.postMessage(null);
      this.isOver = true;
    };
  }

  post() {
    if (this.n) this.port.postMessage(this.piece.slice(0, this.n));
    this.n = 0;
  }

  process([channels]) {
    const n = channels.length ? channels[0].length : 0;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.n++] = sum / channels.length;
      if (this.n === this.piece.length) this.post();
    }
    return !this.isOver;
  }
}

registerProcessor("recording", Recording);
