// WAV files of 16 bit samples: what the speech engines of the tests take and give.

/** `{rate, seconds, samples}`, all channels mixed into one; throws what is wrong with the file. */
export function readWav(bytes) {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
    throw new Error('the file is no WAV: send 16 bit PCM in a WAV file');
  const chunks = new Map();
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = bytes.readUInt32LE(at + 4);
    chunks.set(bytes.toString('latin1', at, at + 4), bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size + (size % 2);
  }
  const [form, data] = [chunks.get('fmt '), chunks.get('data')];
  if (!form || form.length < 16 || !data) throw new Error('the WAV file has no format or no samples');
  const [kind, channels, rate, bits] = [form.readUInt16LE(0), form.readUInt16LE(2), form.readUInt32LE(4), form.readUInt16LE(14)];
  if (kind !== 1 || bits !== 16 || channels === 0 || rate === 0) throw new Error(`the WAV file has ${bits} bit samples of kind ${kind}: send 16 bit PCM`);
  const count = Math.floor(data.length / 2 / channels);
  const samples = new Float32Array(count);
  for (let at = 0; at < count * channels; at += 1) samples[Math.floor(at / channels)] += data.readInt16LE(at * 2) / 32_768 / channels;
  return { rate, seconds: count / rate, samples };
}

export function writeWav(samples, rate) {
  const head = Buffer.alloc(44);
  const data = pcm(samples);
  head.write('RIFF'); head.writeUInt32LE(36 + data.length, 4); head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24); head.writeUInt32LE(rate * 2, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34);
  head.write('data', 36); head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

/** The samples as 16 bit integers, low byte first. */
export function pcm(samples) {
  const data = Buffer.alloc(samples.length * 2);
  samples.forEach((value, at) => data.writeInt16LE(Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768))), at * 2));
  return data;
}

/** The same sound at another rate, by straight lines between samples. */
export function resample(samples, from, to) {
  const count = Math.floor(samples.length * to / from);
  return Float32Array.from({ length: count }, (_, index) => {
    const at = index * from / to;
    const left = Math.floor(at);
    const right = Math.min(left + 1, samples.length - 1);
    return samples[left] + (samples[right] - samples[left]) * (at - left);
  });
}

/**
 * Where somebody speaks: `[{start, end}]` in samples. A pause of a third of a second parts two
 * stretches, and none is longer than `longest` seconds, which is what a recogniser takes at once.
 */
export function stretches(samples, rate, longest = 24) {
  const frame = Math.floor(rate / 50);
  const loud = [];
  for (let at = 0; at < samples.length; at += frame) loud.push(power(samples.subarray(at, at + frame)));
  const quiet = Math.max(...loud, 0) * 0.001;
  const found = [];
  loud.forEach((value, index) => {
    if (value <= quiet) return;
    const last = found.at(-1);
    const here = { start: index, end: index + 1 };
    const goesOn = last && index - last.end < 17 && here.end - last.start <= longest * 50;
    if (goesOn) last.end = here.end; else found.push(here);
  });
  const margin = 5;
  return found.map(({ start, end }) => ({ start: Math.max(0, start - margin) * frame, end: Math.min(samples.length, (end + margin) * frame) }));
}

const power = (samples) => samples.reduce((sum, value) => sum + value * value, 0) / Math.max(1, samples.length);
