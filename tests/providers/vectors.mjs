// Vectors and rankings that follow from the texts, so that a test can tell whose is whose.

/** Numbers that 32-bit floats hold exactly. */
export function vectorOf(text, dimensions = 8) {
  let hash = 7;
  for (const char of JSON.stringify(text)) hash = (hash * 31 + char.codePointAt(0)) % 65_521;
  return Array.from({ length: dimensions }, (_, i) => ((hash * (i + 1)) % 512) / 256 - 1);
}

export const base64Of = (vector) => Buffer.from(new Float32Array(vector).buffer).toString('base64');

/** The inputs of an OpenAI request: one, several, token ids, several lists of them. */
export const inputsOf = (input) => (Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]);

/** Documents that hold the query come first, then the shorter ones. */
export const scoreOf = (query, text) => (text.includes(query) ? 0.5 : 0) + 1 / (4 + text.length);
