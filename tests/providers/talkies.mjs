// talkies: speech to text and back behind OpenAI's paths, FastAPI's errors, one model at a time.
import { send, speak, transcript } from './audio.mjs';
import { bearerOf } from './openai_shape.mjs';

const detail = (status, text, headers = {}) => ({ status, headers, json: { detail: text } });

export const TALKIES_VOICES = [
  { voice: 'af_heart', model: 'kokoro-82m', default: true, origin: 'builtin' },
  { voice: 'bm_george', model: 'kokoro-82m', default: false, origin: 'builtin' },
  { voice: 'alloy', model: 'qwen3-tts-0.6b', default: true, origin: 'builtin' },
];

const TYPES = { mp3: 'audio/mpeg', opus: 'audio/ogg', aac: 'audio/aac', flac: 'audio/flac', wav: 'audio/wav', pcm: 'application/octet-stream' };
const SUBTITLES = { srt: 'application/x-subrip', vtt: 'text/vtt' };

function validate(call) {
  if (call.kind === 'voices') return undefined;
  if (call.path.endsWith('/speech')) {
    if (!call.body.input?.trim()) return detail(400, 'input must not be empty');
    if (!TYPES[call.body.response_format ?? 'mp3']) return detail(400, 'bad response_format');
    const known = TALKIES_VOICES.some(({ voice }) => voice === call.body.voice) || /^[abefhijpz][fm]_/.test(call.body.voice ?? 'af_heart');
    return known ? undefined : detail(400, `voice '${call.body.voice}' not found`);
  }
  return call.file?.field === 'file' || call.body.file_path ? undefined : detail(400, 'exactly one of file / file_path is required');
}

const talking = (own) => ({
  name: 'talkies', base: '/v1', streams: () => false, keyOf: bearerOf, validate,
  kind: ({ method, path }) => (method === 'GET' ? (path === '/v1/audio/voices' ? 'voices' : undefined) : /^\/v1\/audio\/(transcriptions|translations|speech)$/.test(path) ? 'audio' : undefined),
  errors: {
    unauthorized: detail(401, 'unauthorized', { 'www-authenticate': 'Bearer' }),
    other_model: detail(409, 'another model is active and busy'),
    capacity: detail(429, 'model whisper-large-v3 is at capacity'),
    weights: detail(503, 'weights of whisper-large-v3 are missing'),
  },
  answer: (call, res, script) => {
    if (call.kind === 'voices') return send(res, { json: { voices: script.voices ?? TALKIES_VOICES } });
    if (call.path.endsWith('/speech')) return speak(call, res, script, TYPES[call.body.response_format ?? 'mp3']);
    const reply = transcript(call, script, null);
    if (call.body.diarization === 'true' && reply.json?.segments) reply.json.segments.forEach((segment, index) => { segment.channel = 'LR'[index % 2]; });
    return send(res, { ...reply, type: SUBTITLES[call.body.response_format] });
  },
  ...own,
});

export const talkies = talking({ model: 'openai/whisper-large-v3' });
export const kokoro = talking({ model: 'openai/kokoro-82m' });
