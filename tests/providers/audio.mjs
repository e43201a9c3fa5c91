// The audio endpoints of the clouds. A script may have `segments` (null: none), `text`, `chunks`
// (what speech is made of), `between` (ms between them) and `cutAt` (break off before that chunk).
import { setTimeout as sleep } from 'node:timers/promises';
import { groq } from './groq.mjs';
import { problem, sse, bearerOf } from './openai_shape.mjs';

export const SEGMENTS = [{ start: 0, end: 1.5, text: ' Hello there.' }, { start: 1.5, end: 3.25, text: ' How are you?' }];
const TEXT = 'Hello there. How are you?';
const full = (segment, id) => ({ id, seek: 0, tokens: [], temperature: 0, avg_logprob: -0.2, compression_ratio: 1, no_speech_prob: 0, ...segment });
export const textOf = (script) => script.said ?? TEXT;
const segmentsOf = (script) => (script.segments === null ? [] : script.segments ?? SEGMENTS);

const stamp = (seconds, point) => new Date(seconds * 1000).toISOString().slice(11, 23).replace('.', point);
const cue = (point) => ({ start, end, text }, number) => `${point === ',' ? `${number + 1}\n` : ''}${stamp(start, point)} --> ${stamp(end, point)}\n${text.trim()}\n\n`;

/** The body of a transcription in one of the formats that a target gives. */
export function transcript(call, script, usage = { type: 'duration', seconds: 4 }) {
  const segments = segmentsOf(script);
  const task = call.path.endsWith('/translations') ? 'translate' : 'transcribe';
  switch (call.body.response_format) {
    case 'text': return { text: `${textOf(script)}\n` };
    case 'srt': return { text: segments.map(cue(',')).join('') };
    case 'vtt': return { text: `WEBVTT\n\n${segments.map(cue('.')).join('')}` };
    case 'verbose_json': return { json: { task, language: 'english', duration: 3.25, text: textOf(script), segments: segments.map(full), ...(usage && { usage }) } };
    default: return { json: { text: textOf(script), ...(usage && { usage }) } };
  }
}

export function send(res, { json, text, type }) {
  const body = text ?? JSON.stringify(json);
  res.writeHead(200, { 'content-type': type ?? (text === undefined ? 'application/json' : 'text/plain'), 'content-length': Buffer.byteLength(body) });
  res.end(body);
}

export async function sendEvents(call, res, events, script) {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [index, event] of events.entries()) {
    if (script.cutAt === index) { call.brokenByScript = true; return res.socket.destroy(); }
    res.write(sse(event));
    await sleep(script.between ?? 0);
  }
  res.end();
}

/** Speech in pieces, as it is made. */
export async function speak(call, res, script, type) {
  res.writeHead(200, { 'content-type': type });
  for (const [index, chunk] of (script.chunks ?? ['ID3-one-', 'two-', 'three']).entries()) {
    if (script.cutAt === index) { call.brokenByScript = true; await sleep(20); return res.socket.destroy(); }
    call.writes.push(performance.now());
    res.write(chunk);
    if (script.between) await sleep(script.between, undefined, { signal: call.signal });
  }
  res.end();
}

const unsupported = (what) => problem(400, { message: `${what} is not supported`, type: 'invalid_request_error', param: null });
const oneFile = (call) => (call.file?.field === 'file' ? undefined : problem(400, { message: 'file is required', type: 'invalid_request_error' }));

const audio = (own) => ({
  streamType: 'text/event-stream', keyOf: bearerOf, errors: groq.errors, streams: () => false,
  kind: ({ path }) => (/\/audio\/(transcriptions|translations|speech)$/.test(path) ? 'audio' : undefined),
  ...own,
});

const GROQ_FIELDS = ['model', 'language', 'prompt', 'response_format', 'temperature', 'timestamp_granularities[]'];

export const groqAudio = audio({
  name: 'groq', base: '/openai/v1', model: 'groq/whisper-large-v3',
  validate: (call) => {
    const odd = Object.keys(call.body).find((key) => !GROQ_FIELDS.includes(key));
    if (odd) return unsupported(odd);
    return ['json', 'text', 'verbose_json', undefined].includes(call.body.response_format) ? oneFile(call) : unsupported('response_format');
  },
  answer: (call, res, script) => send(res, transcript(call, script, undefined)),
});

const TOKENS = { type: 'tokens', input_tokens: 14, input_token_details: { text_tokens: 0, audio_tokens: 14 }, output_tokens: 7, total_tokens: 21 };

function openaiValidate({ model, body, file, path }) {
  if (path.endsWith('/speech')) {
    if (model.startsWith('tts-1') && ('instructions' in body || 'stream_format' in body)) return unsupported('instructions');
    return body.input.length > 4096 ? problem(400, { message: 'too long', type: 'invalid_request_error' }) : undefined;
  }
  const jsonOnly = model.startsWith('gpt-4o') && !['json', undefined].includes(body.response_format);
  return jsonOnly ? unsupported('response_format') : oneFile({ file });
}

/** All of OpenAI's audio models at one address. */
export const openaiAudio = audio({
  name: 'openai', base: '/v1', model: 'openai/whisper-1', validate: openaiValidate,
  answer: (call, res, script) => {
    if (call.path.endsWith('/speech')) return speak(call, res, script, 'audio/mpeg');
    if (call.model === 'whisper-1') return send(res, transcript(call, script));
    if (call.body.stream !== 'true') return send(res, transcript(call, script, TOKENS));
    const deltas = textOf(script).match(/\s*\S+/g).map((delta) => ({ type: 'transcript.text.delta', delta }));
    return sendEvents(call, res, [...deltas, { type: 'transcript.text.done', text: textOf(script), usage: TOKENS }], script);
  },
});

const MISTRAL_FIELDS = ['model', 'language', 'temperature', 'stream', 'diarize', 'context_bias[]', 'timestamp_granularities[]'];
const MISTRAL_USAGE = { prompt_audio_seconds: 3, prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 };

export const mistralAudio = audio({
  name: 'mistral', base: '/v1', model: 'mistral/voxtral-small-2507',
  validate: (call) => {
    const odd = Object.keys(call.body).find((key) => !MISTRAL_FIELDS.includes(key));
    return odd ? { status: 422, json: { detail: [{ type: 'extra_forbidden', loc: ['body', odd], msg: 'Extra inputs are not permitted' }] } } : oneFile(call);
  },
  answer: (call, res, script) => {
    const timed = call.body['timestamp_granularities[]'] === 'segment';
    const segments = timed ? segmentsOf(script).map((one) => ({ type: 'transcription_segment', ...one, ...(call.body.diarize && { speaker_id: 'speaker_1' }) })) : [];
    if (call.body.stream !== 'true') return send(res, { json: { model: 'voxtral', text: textOf(script), language: 'en', segments, usage: MISTRAL_USAGE } });
    const deltas = textOf(script).match(/\s*\S+/g).map((text) => ({ type: 'transcription.text.delta', text }));
    return sendEvents(call, res, [{ type: 'transcription.language', audio_language: 'en' }, ...deltas,
      { type: 'transcription.done', model: 'voxtral', text: textOf(script), language: 'en', segments, usage: MISTRAL_USAGE }], script);
  },
});

export const cohereAudio = audio({
  name: 'cohere', base: '', model: 'cohere/cohere-transcribe',
  kind: ({ path }) => (path === '/v2/audio/transcriptions' ? 'audio' : undefined),
  validate: (call) => {
    if (!call.body.language) return { status: 400, json: { message: 'language is required' } };
    return call.order.at(-1) === 'file' ? undefined : { status: 400, json: { message: 'file must be last' } };
  },
  answer: (call, res, script) => send(res, { json: { text: textOf(script) } }),
});
