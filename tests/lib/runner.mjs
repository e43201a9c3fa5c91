// Runs the whole test suite, or a part of it, and prints `N passed, N failed` last.
// Usage: runner.mjs [unit|golden|scenarios|clients|FILE ...]
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { BINARY, ROOT } from './gateway.mjs';

const FILE_LIMIT = 240_000;
/** They measure which share of a limit fifty clients use in real time: nothing runs beside them. */
const ALONE = /^quota_/;
const PARTS = ['unit', 'golden', 'scenarios', 'clients'];
const total = { passed: 0, failed: 0, skipped: 0 };

const relative = (file) => path.relative(ROOT, file);

function findTestBinaries(folder) {
  if (!fs.existsSync(folder)) return [];
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'CMakeFiles' ? [] : findTestBinaries(full);
    return entry.name.endsWith('_test') && isExecutable(full) ? [full] : [];
  }).sort();
}

function isExecutable(file) {
  try { fs.accessSync(file, fs.constants.X_OK); return true; } catch { return false; }
}

/** Runs one gtest program, or those of its tests that `filter` names. */
async function runBinary(file, filter = '*') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'freeway-unit-'));
  const report = path.join(folder, 'report.json');
  const { code, output } = await execute(file, ['--gtest_brief=1', `--gtest_filter=${filter}`, `--gtest_output=json:${report}`]);
  const counts = fs.existsSync(report) ? countUnit(JSON.parse(fs.readFileSync(report, 'utf8'))) : undefined;
  fs.rmSync(folder, { recursive: true });
  if (counts === undefined || (code !== 0 && counts.failed === 0)) {
    add({ passed: counts?.passed ?? 0, failed: 1, skipped: 0 });
    console.log(`FAILED ${relative(file)} ended with ${code}\n${output}`);
    return;
  }
  if (counts.passed + counts.failed + counts.skipped === 0) return;
  add(counts);
  if (counts.failed > 0) console.log(`FAILED in ${relative(file)}\n${output}`);
  console.log(`${relative(file)}: ${counts.passed} passed, ${counts.failed} failed`);
}

function countUnit(report) {
  const tests = report.testsuites.flatMap(({ testsuite }) => testsuite).filter(({ status }) => status === 'RUN');
  const failed = tests.filter(({ failures }) => failures?.length > 0).length;
  const skipped = tests.filter(({ result }) => result === 'SKIPPED').length;
  return { passed: tests.length - failed - skipped, failed, skipped };
}

function execute(file, args) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const parts = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), FILE_LIMIT);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => parts.push(part));
    child.on('error', (error) => parts.push(Buffer.from(String(error))));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal, output: Buffer.concat(parts).toString() });
    });
  });
}

const SUMMARY = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

/** Runs node test files, each in its own process, several at a time. */
async function runFiles(files, concurrency) {
  for await (const { type, data } of run({ files, concurrency, timeout: FILE_LIMIT })) {
    if (type === 'test:pass') countPass(data);
    if (type === 'test:fail') showFailure(data);
    if (type === 'test:diagnostic' && !SUMMARY.test(data.message)) console.log(`  ${data.message}`);
    if (type === 'test:stderr') process.stderr.write(data.message);
  }
}

function countPass(event) {
  if (event.skip !== undefined) {
    add({ passed: 0, failed: 0, skipped: 1 });
    console.log(`skipped: ${event.name}: ${event.skip}`);
  } else if (event.details.type !== 'suite') add({ passed: 1, failed: 0, skipped: 0 });
}

function showFailure(event) {
  const { error, duration_ms } = event.details;
  if (error?.failureType === 'subtestsFailed') return;
  add({ passed: 0, failed: 1, skipped: 0 });
  const place = event.file ? `${relative(event.file)}:${event.line} ` : '';
  const cause = error?.cause ?? error;
  console.log(`\nFAILED ${place}${event.name} (${Math.round(duration_ms)} ms)\n${indent(cause?.stack ?? String(cause))}`);
}

const indent = (text) => text.split('\n').map((line) => `    ${line}`).join('\n');

function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key];
}

const filesOf = (part) => {
  const folder = path.join(ROOT, 'tests', part);
  return fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith('.test.mjs')).map((name) => path.join(folder, name)) : [];
};

async function runPart(part) {
  const filter = { unit: '-*Golden*', golden: '*Golden*' }[part];
  if (filter !== undefined) {
    for (const file of findTestBinaries(path.join(ROOT, 'build'))) await runBinary(file, filter);
    return;
  }
  await runNode(filesOf(part));
}

async function runNode(files) {
  if (files.length === 0) return;
  if (!fs.existsSync(BINARY)) {
    add({ passed: 0, failed: 1, skipped: 0 });
    console.log(`FAILED ${relative(BINARY)} does not exist: build it first`);
    return;
  }
  const alone = files.filter((file) => ALONE.test(path.basename(file)));
  const together = files.filter((file) => !alone.includes(file));
  if (together.length > 0) await runFiles(together, Number(process.env.TEST_JOBS ?? Math.min(4, os.availableParallelism() + 1)));
  if (alone.length > 0) await runFiles(alone, 1);
}

const wanted = process.argv.slice(2);
for (const part of wanted.length === 0 ? PARTS : wanted) {
  if (PARTS.includes(part)) {
    console.log(`== ${part}`);
    await runPart(part);
  } else if (fs.existsSync(part)) await (part.endsWith('.mjs') ? runNode([path.resolve(part)]) : runBinary(path.resolve(part)));
  else {
    console.error(`no such part or file: ${part} (parts: ${PARTS.join(', ')})`);
    process.exit(2);
  }
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
