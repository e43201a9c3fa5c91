// What a talkies makes of a recording and of a text: transcripts in its five formats, speech in six.

export const VOICES = {
  'kokoro-82m': ['af_heart', 'af_bella', 'af_sky', 'am_adam', 'am_onyx', 'bf_emma', 'bm_george', 'jf_alpha'],
  'qwen3-tts-0.6b': ['alloy', 'echo', 'fable'],
};

export const SPEECH_TYPES = {
  mp3: 'audio/mpeg', opus: 'audio/ogg', aac: 'audio/aac', flac: 'audio/flac', wav: 'audio/wav', pcm: 'application/octet-stream',
};
export const SAMPLE_RATE = 24_000;

const MAGIC = [['ID3', 0], ['fLaC', 0], ['OggS', 0], ['ftyp', 4]];

/** A WAV file: `channels` of 16 bit samples, `seconds` long. */
export function wav({ seconds = 4, channels = 1, rate = 16_000, fill = 7, samples } = {}) {
  const data = samples ?? Buffer.alloc(Math.round(seconds * rate) * channels * 2, fill);
  const head = Buffer.alloc(44);
  head.write('RIFF'); head.writeUInt32LE(36 + data.length, 4); head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24); head.writeUInt32LE(rate * channels * 2, 28); head.writeUInt16LE(channels * 2, 32); head.writeUInt16LE(16, 34);
  head.write('data', 36); head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

/** Channels and length of a recording; undefined where it is none. Only WAV is really read. */
export function decode(bytes) {
  if (bytes.length >= 44 && bytes.toString('latin1', 0, 4) === 'RIFF') {
    const rate = bytes.readUInt32LE(28);
    return { channels: bytes.readUInt16LE(22), seconds: rate === 0 ? 0 : (bytes.length - 44) / rate };
  }
  const known = MAGIC.some(([text, at]) => bytes.toString('latin1', at, at + text.length) === text);
  return known ? { channels: 1, seconds: 4 } : undefined;
}

const stamp = (seconds, point) => new Date(seconds * 1000).toISOString().slice(11, 23).replace('.', point);
const tagged = ({ channel, text }) => (channel ? `${channel}: ${text.trim()}` : text.trim());

/** The turns of a talk, cut to the recording: left and right take turns where speakers are told apart. */
function segmentsOf(said, seconds, diarized) {
  const share = seconds / said.length;
  return said.map((text, id) => ({
    id, seek: 0, start: round(id * share), end: round((id + 1) * share), text: ` ${text}`, tokens: [], temperature: 0.0,
    avg_logprob: null, compression_ratio: null, no_speech_prob: null, ...(diarized && { channel: 'LR'[id % 2] }),
  }));
}

const round = (seconds) => Math.round(seconds * 1000) / 1000;

function wordsOf(segments) {
  return segments.flatMap(({ start, end, text, channel }) => {
    const words = text.trim().split(/\s+/);
    const share = (end - start) / words.length;
    return words.map((word, at) => ({ word, start: round(start + at * share), end: round(start + (at + 1) * share), confidence: 0.9, ...(channel && { channel }) }));
  });
}

/**
 * The answer to a transcription: `said` is a list of sentences, one a segment; without `times` the
 * model knows no timestamps. An unknown format is answered as json, as talkies does.
 */
export function transcribe({ said, seconds, diarized, times, format, language = 'en' }) {
  const segments = segmentsOf(said, seconds, diarized);
  const text = diarized ? segments.map(tagged).join('\n') : said.join(' ');
  const cues = times ? segments : [{ start: 0, end: seconds, text }];
  switch (format) {
    case 'text': case 'txt': return { text, type: 'text/plain; charset=utf-8' };
    case 'srt': return { text: cues.map((cue, at) => `${at + 1}\n${line(cue, ',')}`).join(''), type: 'application/x-subrip' };
    case 'vtt': return { text: `WEBVTT\n\n${cues.map((cue) => line(cue, '.')).join('')}`, type: 'text/vtt' };
    case 'verbose_json': return { json: { task: 'transcribe', language, duration: round(seconds), text, segments: times ? segments : [], words: times ? wordsOf(segments) : [] } };
    default: return { json: { text } };
  }
}

const line = (cue, point) => `${stamp(cue.start, point)} --> ${stamp(cue.end, point)}\n${tagged(cue)}\n\n`;

/** Samples whose length goes with the text: a tenth of a second a character. */
export function speechOf(text, format) {
  const samples = Buffer.alloc(Math.max(1, text.length) * SAMPLE_RATE / 10 * 2, 3);
  if (format === 'pcm') return samples;
  if (format === 'wav') return wav({ rate: SAMPLE_RATE, samples });
  const magic = { mp3: 'ID3', opus: 'OggS', aac: '\xff\xf1', flac: 'fLaC' }[format];
  return Buffer.concat([Buffer.from(magic, 'latin1'), Buffer.from(` ${format} of: ${text}`)]);
}
