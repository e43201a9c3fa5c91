// Configuration folders as operators write them: providers/*.yaml, fallbacks.json, base.yaml.
import fs from 'node:fs';
import path from 'node:path';
import { toYaml } from './yaml.mjs';

/** Writes `{name: text | object}` under `folder`: objects become YAML, or JSON for *.json. */
export function writeFiles(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, textOf(name, content));
  }
  return folder;
}

function textOf(name, content) {
  if (typeof content === 'string') return content;
  return name.endsWith('.json') ? JSON.stringify(content, null, 1) : toYaml(content).trimStart();
}

/** A fragment of the shape that `config/providers/` uses. */
export const fragment = (provider, flag, models, more = {}) => ({ provider, flag, tier: 'free', models, ...more });

/** The line on which `needle` stands in `text`, counted from 1. */
export const lineOf = (text, needle) => text.split('\n').findIndex((line) => line.includes(needle)) + 1;
