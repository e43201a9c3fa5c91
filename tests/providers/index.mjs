// Every fake provider under one name.
export { Fake } from './fake.mjs';
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
export { ollama, ollamaMidstream } from './ollama.mjs';
