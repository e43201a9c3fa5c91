// OpenAI's image endpoints: what each family of models takes and gives.
import { PICTURE, dataOf, isPicture, partsOf, picture } from './pictures.mjs';
import { problem } from './openai_shape.mjs';

const invalid = (message, param, code = 'invalid_value') => problem(400, { message, type: 'invalid_request_error', param, code });
const unknown = (param) => invalid(`Unknown parameter: '${param}'.`, param, 'unknown_parameter');

const FAMILIES = {
  'dall-e-2': { takes: ['model', 'prompt', 'n', 'size', 'response_format', 'user'], sizes: ['256x256', '512x512', '1024x1024'] },
  'dall-e-3': {
    takes: ['model', 'prompt', 'n', 'size', 'quality', 'style', 'response_format', 'user'],
    sizes: ['1024x1024', '1792x1024', '1024x1792'], qualities: ['standard', 'hd'], most: 1,
  },
  'gpt-image-1': {
    takes: ['model', 'prompt', 'n', 'size', 'quality', 'background', 'output_format', 'output_compression', 'moderation', 'input_fidelity', 'stream', 'partial_images', 'user'],
    sizes: ['auto', '1024x1024', '1536x1024', '1024x1536'], qualities: ['low', 'medium', 'high', 'auto'],
  },
};

export const imageErrors = {
  moderation_blocked: problem(400, { message: 'Your request was rejected by the safety system.', type: 'image_generation_user_error', param: null, code: 'moderation_blocked' }),
  billing_hard_limit: problem(400, { message: 'Billing hard limit has been reached', type: 'image_generation_user_error', param: null, code: 'billing_hard_limit_reached' }),
  images_per_minute: problem(429, { message: 'Rate limit reached for gpt-image-1 in organization org-01secretorg on input-images per min: Limit 5, Used 5, Requested 1. Please try again in 12s.', type: 'input-images', param: null, code: 'rate_limit_exceeded' }),
};

const KINDS = { '/images/generations': 'image', '/images/edits': 'image_edit' };
export const imageKind = (call, base) => (isPicture(call) ? 'picture' : KINDS[call.path.replace(base, '')]);
export const isImageCall = (call) => ['picture', 'image', 'image_edit'].includes(call.kind);

/** The members of a call, whether JSON or a form. */
export function membersOf(call) {
  if (call.kind !== 'image_edit') return call.body ?? {};
  return Object.fromEntries(partsOf(call).filter(({ filename }) => filename === undefined).map(({ name, bytes }) => [name, bytes.toString()]));
}

export function validateImages(call) {
  if (call.kind === 'picture') return undefined;
  const members = membersOf(call);
  const family = FAMILIES[members.model];
  if (!family) return problem(404, { message: `The model '${members.model}' does not exist`, type: 'invalid_request_error', param: null, code: 'model_not_found' });
  const stranger = Object.keys(members).find((key) => !family.takes.includes(key));
  if (stranger) return unknown(stranger);
  if (call.kind === 'image_edit' && members.model === 'dall-e-3') return invalid('Invalid model: dall-e-3 edits no images', 'model');
  if (call.kind === 'image_edit' && !partsOf(call).some(({ name }) => /^image(\[\])?$/.test(name))) return invalid("Missing required parameter: 'image'.", 'image');
  if (Number(members.n ?? 1) > (family.most ?? 10)) return invalid(`You must provide n=1 for this model.`, 'n');
  if (members.size && !family.sizes.includes(members.size)) return invalid(`Invalid value: '${members.size}'. Supported values are: ${family.sizes}.`, 'size');
  if (members.quality && !family.qualities?.includes(members.quality)) return invalid(`Invalid value: '${members.quality}'.`, 'quality');
  return undefined;
}

export const IMAGE_USAGE = { total_tokens: 322, input_tokens: 50, output_tokens: 272, input_tokens_details: { text_tokens: 10, image_tokens: 40 } };

export function imageAnswer(call, script) {
  if (call.kind === 'picture') return picture(script.picture);
  const members = membersOf(call);
  const count = Number(members.n ?? 1);
  if (members.model.startsWith('dall-e')) {
    const url = members.response_format !== 'b64_json';
    return { json: { created: 1_780_000_000, data: dataOf(call, script, { url, count, revised: 'a picture, revised' }) } };
  }
  const { size = '1024x1024', quality = 'medium', background = 'opaque', output_format = 'png' } = members;
  return { json: { created: 1_780_000_000, background, output_format, size, quality, data: dataOf(call, script, { count }), usage: IMAGE_USAGE } };
}

/** The events of a streamed picture; a partial one counts as a token. */
export function imageFrames(call, script) {
  const members = membersOf(call);
  const name = call.kind === 'image_edit' ? 'image_edit' : 'image_generation';
  const b64_json = (script.picture ?? PICTURE).toString('base64');
  const event = (kind, type, more) => ({ kind, text: `event: ${name}.${type}\ndata: ${JSON.stringify({ type: `${name}.${type}`, b64_json, created_at: 1_780_000_000, size: '1024x1024', ...more })}\n\n` });
  const partial = Array.from({ length: Number(members.partial_images ?? 0) }, (_, index) => event('token', 'partial_image', { partial_image_index: index }));
  return [...partial, event('finish', 'completed', { usage: IMAGE_USAGE })];
}
