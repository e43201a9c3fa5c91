// Writes block YAML for generated configurations; strings are always quoted.

const scalar = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));
const isScalar = (value) => value === null || typeof value !== 'object';
const isEmpty = (value) => Object.keys(value).length === 0;

export function toYaml(value, indent = '') {
  if (isScalar(value)) return `${scalar(value)}\n`;
  if (isEmpty(value)) return Array.isArray(value) ? '[]\n' : '{}\n';
  if (Array.isArray(value)) return `\n${value.map((item) => `${indent}- ${nested(item, indent).trimStart()}`).join('')}`;
  return `\n${Object.entries(value).filter(([, item]) => item !== undefined)
    .map(([key, item]) => `${indent}${key}: ${nested(item, indent)}`).join('')}`;
}

const nested = (value, indent) => toYaml(value, `${indent}  `);
