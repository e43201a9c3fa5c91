// docs/local.md says which alias runs where; the shipped fragments say the same.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ROOT } from '../lib/gateway.mjs';

const page = fs.readFileSync(path.join(ROOT, 'docs/local.md'), 'utf8');
const fragment = (name) => parse(fs.readFileSync(path.join(ROOT, `config/providers/${name}.yaml`), 'utf8'));
const GROUPS = [['ollama', 'local-ollama-cpu-', 'local-ollama-cuda-'], ['talkies', 'local-talkies-', 'local-talkies-cuda-'], ['sdcpp', 'local-sdcpp-cpu-', 'local-sdcpp-cuda-']];

/** `alias gigabytes device` of each cell of the tables. */
function stated() {
  return GROUPS.flatMap(([name, ...prefixes]) => {
    const table = page.split(`\`${prefixes[0]}…\``)[1].split('\n\n')[1];
    const rows = table.split('\n').slice(2).map((row) => row.split('|').map((cell) => cell.trim()));
    assert.ok(rows.length > 1, name);
    return rows.flatMap(([, model, , gigabytes, ...devices]) => prefixes.flatMap((prefix, at) => (devices[at] ? [`${prefix}${model} ${gigabytes} ${devices[at]}`] : [])));
  });
}

test('every local alias, its memory and its device', () => {
  const models = GROUPS.flatMap(([name]) => [...fragment(name).models, ...fragment(`${name}-cuda`).models]);
  const real = models.map(({ model_name: alias, model_info: info }) => `${alias} ${info.memory_gb} ${info.device === 'cuda' ? 'gpu' : info.device}`);
  assert.deepEqual(stated().sort(), real.sort());
  for (const { model_name: alias } of fragment('llamacpp').models) assert.ok(page.includes(`\`${alias}\``), alias);
});

test('every flag with the address that is called, and who changes it', () => {
  for (const name of GROUPS.flatMap(([one]) => [one, `${one}-cuda`])) {
    const { flag, models } = fragment(name);
    const row = page.split('\n').find((line) => line.startsWith(`| \`${flag}\` |`));
    assert.ok(row?.includes(`\`${models[0].litellm_params.api_base}\``) && row.includes(`\`${flag}_API_BASE\``), row);
  }
});
