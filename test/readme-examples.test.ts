import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const scratch = join(root, 'node_modules', '.cache', 'readme-examples');
mkdirSync(scratch, { recursive: true });
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Example {
  /** Where it stands, for titles and file names. */
  readonly title: string;
  readonly code: string;
}

/** Every ```ts block of a page, or of a folder's README: the examples that it promises to work as they stand. */
const examplesOf = (folder: string): readonly Example[] => {
  const page = readFileSync(join(root, folder.endsWith('.md') ? folder : join(folder, 'README.md')), 'utf8');
  return [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gmu)].map(([, code = ''], at) => ({
    title: `${folder === '.' ? 'workspace' : folder.replace('/', '-').replace('.md', '')}-${at + 1}`,
    code,
  }));
};

const packages = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(root, kind))
    .map((name) => `${kind}/${name}`)
    .filter((folder) => folder !== 'apps/polygate'),
);
const documents = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const pages = ['.', ...packages, ...documents];
const examples = pages.flatMap(examplesOf);

/** The same for a CommonJS module, which has no `await` at its top. */
const inCommonJs = (code: string): string => {
  const [, imports = '', body = ''] = /^((?:import [\s\S]*?;\n)*)([\s\S]*)$/u.exec(code) ?? [];
  return `${imports}export const main = async (): Promise<void> => {\n${body}};\n`;
};

/** What the compiler of a strict project says about files that use the built packages. */
const complaints = (files: readonly string[], options: ts.CompilerOptions): readonly string[] => {
  const program = ts.createProgram(files, {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    ...options,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, start, messageText }) =>
        `${file ? `${basename(file.fileName)}:${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}` : ''} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
};

describe('the examples of the READMEs', () => {
  it.each(packages)('%s has one', (folder) => {
    expect(examplesOf(folder), `${folder}/README.md has no \`\`\`ts example`).not.toHaveLength(0);
  });

  it('pass the compiler as ES modules and as CommonJS, as Node resolves', { timeout: 120_000 }, () => {
    const files = examples.flatMap(({ title, code }) =>
      [
        [`${title}.mts`, code],
        [`${title}.cts`, inCommonJs(code)],
      ].map(([name = '', text = '']) => {
        writeFileSync(join(scratch, name), text);
        return join(scratch, name);
      }),
    );
    const { NodeNext } = ts.ModuleKind;
    expect(
      complaints(files, { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }),
    ).toEqual([]);
  });

  it('pass it as a bundler resolves', { timeout: 120_000 }, () => {
    const files = examples.map(({ title, code }) => {
      writeFileSync(join(scratch, `${title}.ts`), code);
      return join(scratch, `${title}.ts`);
    });
    const { ESNext } = ts.ModuleKind;
    expect(complaints(files, { module: ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler })).toEqual(
      [],
    );
  });

  it('run as printed', { timeout: 300_000 }, async () => {
    const files = examples.map(({ title, code }) => {
      const { outputText } = ts.transpileModule(code, {
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2022,
          verbatimModuleSyntax: true,
        },
      });
      const file = join(scratch, `${title}.mjs`);
      writeFileSync(file, outputText);
      return file;
    });
    // Built packages, one after another in a process of their own: what a reader gets who pastes them all.
    const each = files.map((file) => `await import(${JSON.stringify(file)});`).join('\n');
    await run(process.execPath, ['--input-type=module', '--eval', each], { cwd: root, timeout: 290_000 });
  });
});

describe('the precision tables of backend-torch', () => {
  const cellsOf = (line: string): string[] => line.split('|').map((cell) => cell.trim());
  const rowsOf = (text: string, pattern: RegExp): string[][] =>
    [...text.matchAll(pattern)]
      .map(([, row = '']) => cellsOf(row))
      .filter(([, cell]) => !/^-+$/u.test(cell ?? ''));

  it.each(['src/precision.ts', 'src/fused/index.ts'])('of %s stands in its README', (source) => {
    const folder = join(root, 'packages/backend-torch');
    const rows = rowsOf(readFileSync(join(folder, source), 'utf8'), /^ \* (\|.*\|) *$/gmu);
    expect(rows.length).toBeGreaterThan(5);
    expect(rowsOf(readFileSync(join(folder, 'README.md'), 'utf8'), /^(\|.*\|) *$/gmu)).toEqual(
      expect.arrayContaining(rows),
    );
  });
});
