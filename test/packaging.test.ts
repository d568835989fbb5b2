/**
 * What users get: every package packed, installed from the tarballs in an empty project, type-checked and run there.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

interface Packed {
  readonly name: string;
  readonly folder: string;
  readonly tarball: string;
}

const publishable = async (): Promise<{ name: string; folder: string }[]> => {
  const folders = (
    await Promise.all(
      ['packages', 'apps'].map(async (kind) =>
        (await readdir(join(root, kind))).map((name) => join(root, kind, name)),
      ),
    )
  ).flat();
  return Promise.all(
    folders.map(async (folder) => ({
      folder,
      name: (JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { name: string }).name,
    })),
  );
};

let work = '';
let packed: Packed[] = [];

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'polygate-packaging-'));
  const packages = await publishable();
  const workspaces = packages.flatMap(({ name }) => ['-w', name]);
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', work, ...workspaces],
    {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  // npm 10 prints an array, npm 11 an object by package name.
  const listing = JSON.parse(stdout.slice(stdout.search(/[[{]/u))) as
    { name: string; filename: string }[] | Record<string, { name: string; filename: string }>;
  const entries = Array.isArray(listing) ? listing : Object.values(listing);
  packed = packages.map(({ name, folder }) => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (!entry) throw new Error(`npm pack made no tarball of ${name}`);
    return { name, folder, tarball: join(work, entry.filename) };
  });
}, 120_000);

afterAll(() => rm(work, { recursive: true, force: true }));

describe('the packed packages', () => {
  it('have manifests that publint accepts', { timeout: 120_000 }, async () => {
    const complaints: string[] = [];
    for (const { name, tarball } of packed) {
      const data = await readFile(tarball);
      const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
      const { messages, pkg } = await publint({ pack: { tarball: bytes as ArrayBuffer }, strict: true });
      complaints.push(
        ...messages.map((message) => `${name}: ${formatMessage(message, pkg) ?? message.code}`),
      );
    }
    expect(complaints).toEqual([]);
  });

  it('have types that resolve for ES modules', { timeout: 300_000 }, async () => {
    const problems: string[] = [];
    for (const { name, tarball } of packed) {
      const analysis = await checkPackage(
        createPackageFromTarballData(new Uint8Array(await readFile(tarball))),
      );
      const found = analysis.types === false ? [{ kind: 'NoTypes' }] : analysis.problems;
      // ES modules only: a CommonJS `require` of them is not promised.
      const relevant = found.filter(
        (problem) =>
          !(
            problem.kind === 'CJSResolvesToESM' ||
            ('resolutionKind' in problem && problem.resolutionKind === 'node10')
          ),
      );
      problems.push(...relevant.map((problem) => `${name}: ${JSON.stringify(problem)}`));
    }
    expect(problems).toEqual([]);
  });

  it('work in an empty project, from the tarballs', { timeout: 420_000 }, async () => {
    const project = join(work, 'project');
    await mkdir(project);
    const manifest = {
      name: 'consumer',
      private: true,
      type: 'module',
      dependencies: {
        ...Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`])),
        '@tensorflow/tfjs': '4.22.0',
      },
    };
    await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          skipLibCheck: true,
          outDir: 'out',
          types: ['node'],
          typeRoots: [join(root, 'node_modules/@types')],
          rootDir: '.',
        },
        include: ['pipeline.ts'],
      }),
    );
    await writeFile(
      join(project, 'pipeline.ts'),
      await readFile(join(import.meta.dirname, 'fixtures/consumer-pipeline.ts'), 'utf8'),
    );
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], {
      cwd: project,
      maxBuffer: 64 * 1024 * 1024,
    });
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
      cwd: project,
    });
    const { stdout } = await run(process.execPath, ['out/pipeline.js'], { cwd: project });
    expect(stdout).toContain('pipeline ok');
    const help = await run(process.execPath, ['node_modules/.bin/polygate', '--help'], { cwd: project });
    expect(help.stdout).toContain('prepare');
  });
});
