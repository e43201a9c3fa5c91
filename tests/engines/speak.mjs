// A real speech engine: Debian's flite as a child process, behind OpenAI's path.
//   node tests/engines/speak.mjs --port 8091 [--host 127.0.0.1]
// It gives wav (as flite makes it, 16 kHz) and pcm (24 kHz, 16 bit, mono, as OpenAI's).
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Refusal, serve } from './serve.mjs';
import { pcm, readWav, resample } from './wav.mjs';

const MODEL = 'flite';
const VOICES = ['slt', 'awb', 'kal16', 'rms'];
const FORMATS = ['wav', 'pcm'];
const LONGEST = 4096;
const PCM_RATE = 24_000;

function requestOf(bytes) {
  let body;
  try { body = JSON.parse(bytes); } catch { throw new Refusal(400, 'the body is no JSON'); }
  const { model, input, voice = VOICES[0], response_format: format = 'wav', speed = 1 } = body ?? {};
  if (model !== MODEL) throw new Refusal(404, `the model \`${model}\` does not exist; there is ${MODEL}`, 'model');
  if (typeof input !== 'string' || input.trim() === '' || input.length > LONGEST) throw new Refusal(400, `\`input\` must have 1 to ${LONGEST} characters`, 'input');
  if (!VOICES.includes(voice)) throw new Refusal(400, `\`voice\` must be one of ${VOICES.join(', ')}`, 'voice');
  if (!FORMATS.includes(format)) throw new Refusal(400, `\`response_format\` must be one of ${FORMATS.join(', ')}`, 'response_format');
  if (!(speed >= 0.25 && speed <= 4)) throw new Refusal(400, '`speed` must be between 0.25 and 4', 'speed');
  return { input, voice, format, speed };
}

function flite(args) {
  return new Promise((resolve, reject) => {
    const child = spawn('flite', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => { said = (said + text).slice(-1000); });
    child.on('error', (error) => reject(new Error(`flite can not be started (Debian: apt-get install flite): ${error.message}`)));
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`flite ended with ${code}: ${said}`))));
  });
}

/** A WAV file of the text; through files, since a text may begin with a dash or be long. */
async function synthesize({ input, voice, speed }) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'speak-'));
  try {
    const [text, sound] = [path.join(folder, 'text'), path.join(folder, 'sound.wav')];
    await fs.writeFile(text, input);
    await flite(['--setf', `duration_stretch=${1 / speed}`, '-voice', voice, '-o', sound, '-f', text]);
    return await fs.readFile(sound);
  } finally { await fs.rm(folder, { recursive: true, force: true }); }
}

async function speak({ bytes }) {
  const request = requestOf(bytes);
  const wav = await synthesize(request);
  if (request.format === 'wav') return { bytes: wav, type: 'audio/wav' };
  const { samples, rate } = readWav(wav);
  return { bytes: pcm(resample(samples, rate, PCM_RATE)), type: 'audio/pcm', headers: { 'x-sample-rate': String(PCM_RATE) } };
}

serve({
  'GET /v1/models': () => ({ json: { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'flite' }] } }),
  'GET /v1/audio/voices': () => ({ json: { voices: VOICES.map((voice, at) => ({ voice, model: MODEL, default: at === 0, origin: 'builtin' })) } }),
  'POST /v1/audio/speech': speak,
});
