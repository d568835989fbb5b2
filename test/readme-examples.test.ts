import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const scratch = join(root, 'node_modules', '.cache', 'readme-examples');
mkdirSync(scratch, { recursive: true });
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The first ```ts block of a README: the example that it promises to work as it stands. */
const exampleOf = (readme: string): string | undefined => /^```ts\n([\s\S]*?)^```$/mu.exec(readme)?.[1];

const packages = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(root, kind))
    .map((name) => `${kind}/${name}`)
    .filter((place) => place !== 'apps/polygate'),
);

describe('the example of each package README', () => {
  it.each(packages)('%s runs as printed', { timeout: 120_000 }, async (name) => {
    const readme = readFileSync(join(root, name, 'README.md'), 'utf8');
    const example = exampleOf(readme);
    expect(example, `${name}/README.md has no \`\`\`ts example`).toBeDefined();
    const { outputText } = ts.transpileModule(example ?? '', {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
      },
    });
    const file = join(scratch, `${name.replace('/', '-')}.mjs`);
    writeFileSync(file, outputText);
    // Built packages, a process of its own: what a reader who pastes the example gets.
    await run(process.execPath, [file], { cwd: root, timeout: 110_000 });
  });
});

describe('the precision tables of backend-torch', () => {
  const cellsOf = (line: string): string[] => line.split('|').map((cell) => cell.trim());
  const rowsOf = (text: string, pattern: RegExp): string[][] =>
    [...text.matchAll(pattern)]
      .map(([, row = '']) => cellsOf(row))
      .filter(([, cell]) => !/^-+$/u.test(cell ?? ''));

  it.each(['src/precision.ts', 'src/fused/index.ts'])('of %s stands in its README', (source) => {
    const place = join(root, 'packages/backend-torch');
    const rows = rowsOf(readFileSync(join(place, source), 'utf8'), /^ \* (\|.*\|) *$/gmu);
    expect(rows.length).toBeGreaterThan(5);
    expect(rowsOf(readFileSync(join(place, 'README.md'), 'utf8'), /^(\|.*\|) *$/gmu)).toEqual(
      expect.arrayContaining(rows),
    );
  });
});
