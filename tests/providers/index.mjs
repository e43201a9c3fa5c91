// Every fake provider under one name.
export { Fake, sha256 } from './fake.mjs';
export { USAGE, sse, problem } from './openai_shape.mjs';
export { groq, groqMidstream } from './groq.mjs';
export { cerebras } from './cerebras.mjs';
export { openrouter, openrouterMidstream, nextMidnight } from './openrouter.mjs';
export { huggingface } from './huggingface.mjs';
export { mistral } from './mistral.mjs';
export { openai, openaiReset } from './openai.mjs';
export { generic } from './generic.mjs';
export { anthropic, anthropicMidstream } from './anthropic.mjs';
export { cohere, cohereMidstream } from './cohere.mjs';
export { sdcpp } from './sdcpp.mjs';
export { png, pngSize, PICTURE, pictureUrl, partsOf } from './pictures.mjs';
export { IMAGE_USAGE, membersOf } from './openai_images.mjs';
export { ollama, ollamaMidstream } from './ollama.mjs';
export { groqAudio, openaiAudio, mistralAudio, cohereAudio } from './audio.mjs';
export { talkies, kokoro, TALKIES_VOICES } from './talkies.mjs';
export { TalkiesService } from './talkies_service.mjs';
