/**
 * What users get: every package packed, installed from the tarballs in an empty project, type-checked and run there.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { describeTorch } from '@polygate/backend-torch';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchNodes, hasOtherNodes } from './node-binaries.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const timeout = 120_000;

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
});

/** An empty project of another team, with the tarballs installed as npm installs packages: scripts and all. */
describe('a project with the tarballs', () => {
  let project = '';
  const node = async (binary: string, ...argv: string[]): Promise<string> =>
    (await run(binary, argv, { cwd: project })).stdout;

  beforeAll(async () => {
    project = join(work, 'project');
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
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      strict: true,
      skipLibCheck: true,
      outDir: 'out',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      rootDir: '.',
    };
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['pipeline.ts', 'guide.ts'] }),
    );
    await copyFile(join(import.meta.dirname, 'fixtures/consumer-pipeline.ts'), join(project, 'pipeline.ts'));
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], {
      cwd: project,
      maxBuffer: 64 * 1024 * 1024,
    });
    // The guide as the installed package carries it.
    const readme = await readFile(join(project, 'node_modules/@polygate/backend-torch/README.md'), 'utf8');
    const [, guide] =
      /^## Use the torch engine in your own tfjs program$[\s\S]*?^```ts\n([\s\S]*?)^```$/mu.exec(readme) ??
      [];
    await writeFile(join(project, 'guide.ts'), guide ?? '#error no guide');
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
      cwd: project,
    });
  }, 420_000);

  it('compiles and runs a composed pipeline', { timeout }, async () => {
    expect(await node(process.execPath, 'out/pipeline.js')).toContain('pipeline ok');
  });

  it('runs the guide of the torch engine, on an addon that its own install built', { timeout }, async () => {
    const status = JSON.parse(
      await readFile(join(project, 'node_modules/@polygate/backend-torch/build/status.json'), 'utf8'),
    ) as { state: string };
    const here = describeTorch();
    expect(status.state).toBe(here.available ? 'built' : 'unavailable');
    const said = await node(process.execPath, 'out/guide.js');
    expect(said).toMatch(here.available ? /^accuracy \d\.\d\d on torch$/mu : /^without the torch engine: /u);
  });

  it('has the command line', { timeout }, async () => {
    expect(await node(process.execPath, 'node_modules/.bin/polygate', '--help')).toContain('prepare');
  });

  it.skipIf(!hasOtherNodes)('runs the same files on other versions of Node', { timeout }, async () => {
    for (const binary of Object.values(await fetchNodes())) {
      expect(await node(binary, 'out/pipeline.js')).toContain('pipeline ok');
      expect(await node(binary, 'out/guide.js')).toContain(
        describeTorch().available ? ' on torch' : ' on cpu',
      );
    }
  });
});
