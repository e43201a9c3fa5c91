// Checks JSON values against the types that a package publishes, with TypeScript's own compiler.
import path from 'node:path';
import ts from 'typescript';
import { ROOT } from './gateway.mjs';

/**
 * What the compiler says against `values`, a list of `[type, value]`; `imports` is the import
 * statement that the types come from. Literals are checked for unknown members, too.
 */
export function typeErrors(imports, values) {
  const file = path.join(ROOT, 'tests', 'clients', 'checked.ts');
  const lines = values.map(([type, value], at) => `export const v${at}: ${type} = ${JSON.stringify(value)};`);
  const source = `${imports}\n${lines.join('\n')}\n`;
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? source : readFile(name));
  host.getSourceFile = (name, ...rest) => (name === file ? ts.createSourceFile(name, source, options.target) : getSourceFile.call(host, name, ...rest));
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map((problem) => {
    const { line } = problem.file.getLineAndCharacterOfPosition(problem.start);
    return `${source.split('\n')[line].slice(0, 300)}\n  ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`;
  });
}
