/**
 * What users get: every package packed, installed from the tarballs in an empty project, type-checked and run there.
 */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { describeTorch } from '@polygate/backend-torch';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchNodes, hasOtherNodes, otherVersions } from './node-binaries.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const timeout = 120_000;

interface Packed {
  readonly name: string;
  readonly folder: string;
  readonly tarball: string;
  /** Paths in the tarball. */
  readonly files: ReadonlySet<string>;
}

interface Listed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
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
  // As `prepack` would, which is left out below: the packages are built, and building each anew takes long.
  await run(process.execPath, [join(root, 'tools/stale-builds.mjs')]);
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
  const listing = JSON.parse(stdout.slice(stdout.search(/[[{]/u))) as Listed[] | Record<string, Listed>;
  const entries = Array.isArray(listing) ? listing : Object.values(listing);
  packed = packages.map(({ name, folder }) => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (!entry) throw new Error(`npm pack made no tarball of ${name}`);
    const files = new Set(entry.files.map(({ path }) => path));
    return { name, folder, tarball: join(work, entry.filename), files };
  });
}, 120_000);

afterAll(() => rm(work, { recursive: true, force: true }));

describe('the packed packages', () => {
  it('say whose they are, under which licence, and how they are published', async () => {
    const { stdout } = await run(process.execPath, [join(root, 'tools/manifests.mjs'), '--check']);
    expect(stdout).toBe('');
    for (const { folder, files } of packed) {
      const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      expect(manifest).toMatchObject({
        license: 'Apache-2.0',
        repository: { type: 'git', directory: relative(root, folder) },
        bugs: { url: expect.any(String) as string },
        homepage: expect.any(String) as string,
        keywords: expect.arrayContaining(['mixture-of-experts']) as string[],
        publishConfig: { access: 'public', provenance: true },
      });
      expect([...files]).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js']));
    }
  });

  it('hold every source that their maps name, and neither build records nor tests', async () => {
    const missing: string[] = [];
    for (const { name, folder, files } of packed) {
      for (const file of files) {
        if (/tsbuildinfo|\.test\.|\/fixtures\//u.test(file)) missing.push(`${name}: ${file} is packed`);
        if (!file.endsWith('.map')) continue;
        const { sources } = JSON.parse(await readFile(join(folder, file), 'utf8')) as { sources: string[] };
        for (const source of sources)
          if (!files.has(join(dirname(file), source)))
            missing.push(`${name}: ${file} names ${source}, which is not packed`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('depend on each other by ranges, and on Arrow and tfjs as the project has them', async () => {
    const names = new Set(packed.map(({ name }) => name));
    for (const { name, folder } of packed) {
      const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>;
        peerDependencies?: Record<string, string>;
      };
      const dependencies = Object.entries(manifest.dependencies ?? {});
      for (const [dependency, range] of dependencies)
        if (names.has(dependency)) expect(range, `${name} on ${dependency}`).toMatch(/^\^/u);
      // The command line is a program, everything else a part of somebody's: a second copy would not know the first's.
      const dependencyNames = dependencies.map(([dependency]) => dependency);
      if (name !== 'polygate')
        expect(
          dependencyNames.filter((dependency) => /^apache-arrow$|^@tensorflow\/tfjs$/u.test(dependency)),
        ).toEqual([]);
      if (dependencyNames.includes('@polygate/stream'))
        expect(manifest.peerDependencies).toHaveProperty(['apache-arrow']);
    }
  });

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
      const analysed = analysis.types === false ? [{ kind: 'NoTypes' }] : analysis.problems;
      // ES modules alone: CommonJS requires them as such, which the six uses try, and Node 10 is long gone.
      const relevant = analysed.filter(
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

  const compile = async (...flags: string[]): Promise<void> => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [compiler, '-p', project, ...flags], { cwd: project }).catch(
      (error: { readonly stdout?: string }) => {
        throw new Error(`the compiler refuses the project:\n${error.stdout ?? String(error)}`);
      },
    );
  };

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
        'apache-arrow': '21.2.0',
      },
    };
    await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
      outDir: 'out',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      rootDir: '.',
    };
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['pipeline.ts', 'guide.ts', 'module', 'commonjs'] }),
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
    for (const type of ['module', 'commonjs']) {
      await cp(join(import.meta.dirname, 'consumer'), join(project, type), { recursive: true });
      // Beside the sources for the compiler, beside what it makes of them for Node.
      await mkdir(join(project, 'out', type), { recursive: true });
      for (const part of [type, `out/${type}`])
        await writeFile(join(project, part, 'package.json'), JSON.stringify({ type }));
    }
    await compile();
  }, 420_000);

  it('compiles and runs a composed pipeline', { timeout }, async () => {
    expect(await node(process.execPath, 'out/pipeline.js')).toContain('pipeline ok');
  });

  /** What other teams do with packages of ours: see the heads of the files in consumer. */
  const uses = [
    'embeddings: 10 embeddings',
    'ownModel: a layer of experts learns',
    'ownCondition: a condition of their own routes',
    'metrics: scores with intervals',
    'ownLoop: resumed to the last bit',
    'serving: an upload has a class',
    '',
  ];

  it.each(['module', 'commonjs'])('serves its six uses, as %s', { timeout }, async (type) => {
    expect((await node(process.execPath, `out/${type}/run.js`)).split('\n')).toEqual(uses);
  });

  it('type-checks as a bundler resolves', { timeout }, async () => {
    await compile('--noEmit', '--module', 'esnext', '--moduleResolution', 'bundler');
  });

  it('shares one copy of Arrow and of tfjs with our packages', async () => {
    const { stdout } = await run('npm', ['ls', 'apache-arrow', '@tensorflow/tfjs', '--all', '--parseable'], {
      cwd: project,
    });
    const copies = new Set(stdout.split('\n').filter((line) => /\/(?:apache-arrow|tfjs)$/u.test(line)));
    expect(copies.size).toBe(2);
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
      expect((await node(binary, 'out/module/run.js')).split('\n')).toEqual(uses);
      expect(await node(binary, 'out/guide.js')).toContain(
        describeTorch().available ? ' on torch' : ' on cpu',
      );
    }
  });

  it.skipIf(!hasOtherNodes)('lets other versions of Node keep what they compiled', { timeout }, async () => {
    const caches = join(work, 'caches');
    for (const binary of Object.values(await fetchNodes())) {
      const env = { ...process.env, XDG_CACHE_HOME: caches };
      await run(binary, ['node_modules/.bin/polygate', '--help'], { cwd: project, env });
    }
    // Each has a folder of its own.
    expect(await readdir(join(caches, 'polygate/compiled'))).toHaveLength(otherVersions.length);
  });
});
