// A real transcription engine: Moonshine tiny (English) in sherpa-onnx, behind OpenAI's path.
//   node tests/engines/transcribe.mjs --port 8090 [--host 127.0.0.1]
// It takes WAV files of 16 bit samples, at any rate; the weights come from dev/moonshine.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Refusal, serve } from './serve.mjs';
import { readWav, stretches } from './wav.mjs';

const MODEL = 'moonshine-tiny';
const FORMATS = ['json', 'text', 'verbose_json', 'srt', 'vtt'];
const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../.data/engines/moonshine');

function load() {
  const file = (name) => path.join(folder, name);
  if (!fs.existsSync(file('tokens.txt'))) throw new Error(`no weights in ${folder}: run dev/moonshine`);
  const moonshine = { encoder: file('encoder_model.onnx'), mergedDecoder: file('decoder_model_merged.onnx'), preprocessor: '', uncachedDecoder: '', cachedDecoder: '' };
  return createRequire(import.meta.url)('sherpa-onnx').createOfflineRecognizer({
    featConfig: { sampleRate: 16_000, featureDim: 80 },
    modelConfig: { moonshine, tokens: file('tokens.txt'), numThreads: 1, provider: 'cpu', debug: 0 },
  });
}

const recognizer = load();

function textOf(samples, rate) {
  const stream = recognizer.createStream();
  try {
    stream.acceptWaveform(rate, samples);
    recognizer.decode(stream);
    return recognizer.getResult(stream).text.trim();
  } finally { stream.free(); }
}

/** What is said, a segment for each stretch of speech. */
function segmentsOf({ samples, rate }) {
  return stretches(samples, rate)
    .map(({ start, end }) => ({ start: start / rate, end: end / rate, text: textOf(samples.subarray(start, end), rate) }))
    .filter(({ text }) => text !== '')
    .map((segment, id) => ({ id, seek: 0, ...segment, tokens: [], temperature: 0, avg_logprob: 0, compression_ratio: 1, no_speech_prob: 0 }));
}

const stamp = (seconds, point) => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace('.', point);
const cue = ({ start, end, text }, point) => `${stamp(start, point)} --> ${stamp(end, point)}\n${text}\n\n`;

function written(format, segments, seconds) {
  const text = segments.map((segment) => segment.text).join(' ');
  const usage = { type: 'duration', seconds: Math.ceil(seconds) };
  switch (format) {
    case 'text': return { text: `${text}\n` };
    case 'srt': return { text: segments.map((segment, at) => `${at + 1}\n${cue(segment, ',')}`).join(''), type: 'application/x-subrip' };
    case 'vtt': return { text: `WEBVTT\n\n${segments.map((segment) => cue(segment, '.')).join('')}`, type: 'text/vtt' };
    case 'verbose_json': return { json: { task: 'transcribe', language: 'english', duration: seconds, text, segments, words: [], usage } };
    default: return { json: { text, usage } };
  }
}

async function formOf({ bytes, headers }) {
  if (!headers['content-type']?.startsWith('multipart/form-data')) throw new Refusal(400, 'send a form (multipart/form-data) with `file` and `model`');
  try {
    return await new Response(bytes, { headers: { 'content-type': headers['content-type'] } }).formData();
  } catch { throw new Refusal(400, 'the form can not be read'); }
}

async function transcribe(request) {
  const form = await formOf(request);
  const format = form.get('response_format') ?? 'json';
  if (form.get('model') !== MODEL) throw new Refusal(404, `the model \`${form.get('model')}\` does not exist; there is ${MODEL}`, 'model');
  if (!FORMATS.includes(format)) throw new Refusal(400, `\`response_format\` must be one of ${FORMATS.join(', ')}`, 'response_format');
  if (!(form.get('file') instanceof Blob)) throw new Refusal(400, '`file` is missing', 'file');
  let recording;
  try {
    recording = readWav(Buffer.from(await form.get('file').arrayBuffer()));
  } catch (error) { throw new Refusal(400, error.message, 'file'); }
  return written(format, segmentsOf(recording), recording.seconds);
}

serve({
  'GET /v1/models': () => ({ json: { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'moonshine' }] } }),
  'POST /v1/audio/transcriptions': transcribe,
});
