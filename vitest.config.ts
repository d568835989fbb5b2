import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** As Node resolves for everybody else: the built files, which Node loads by itself. */
const builtConditions = ['node', 'import', 'module', 'default'];
const conditions = ['@polygate/source', ...builtConditions];

/** One vitest project per workspace package, named as in its package.json without the scope. From wherever it is started. */
const packageRoots = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(import.meta.dirname, kind))
    .map((name) => join(import.meta.dirname, kind, name))
    .filter((root) => existsSync(join(root, 'package.json'))),
);

/** What tests of these change in their process: engines that are started, current, remembered or missing. */
const isolated = new Set(['tensor', 'backend-torch', 'reloading']);

const project = (name: string, root: string, include: string[]) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    name,
    root,
    include,
    environment: 'node' as const,
    pool: 'forks' as const,
    // Modules are loaded once for all files of a worker: with a process for each file, loading took half of the time.
    isolate: isolated.has(name),
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

/** Files that were built, which Node loads by itself: compiled once, and with less work than vitest's loader has. */
const server = { deps: { external: [/\/(?:packages|apps|bench|experiments)\/[\w-]+\/dist\//u] } };
const resolvedAsBuilt = {
  resolve: { conditions: builtConditions },
  ssr: { resolve: { conditions: builtConditions, externalConditions: builtConditions } },
};

/** What a test of a package imports by a relative path is the built file, the same one that other packages get by name. */
const builtFiles: Plugin = {
  name: 'built-files',
  enforce: 'pre',
  resolveId(source, importer) {
    if (importer === undefined || !source.startsWith('.') || source.endsWith('.test.ts')) return undefined;
    const path = resolve(dirname(importer), source);
    const [, root, file] = /^(.*\/(?:packages|apps)\/[\w-]+)\/src\/(.*)\.ts$/u.exec(path) ?? [];
    return root === undefined || file === undefined ? undefined : `${root}/dist/${file}.js`;
  },
};

const packages = packageRoots.map((root) => {
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
  return { name: name.replace('@polygate/', ''), root };
});

const testsIn = (root: string): string[] => [`${root}/src/**/*.test.ts`, `${root}/test/**/*.test.ts`];

const byPackage = packages.map(({ name, root }) => project(name, root, testsIn(root)));

/** Tests of a package whose text has the pattern. */
const testsWith = (root: string, pattern: RegExp): string[] =>
  ['src', 'test']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
    )
    .filter((file) => file.endsWith('.test.ts') && pattern.test(readFileSync(file, 'utf8')));

/** Whether tests of a package register records or engines, which all tests of their process then have. */
const registers = (root: string): boolean => testsWith(root, /\bregister[A-Z]\w*[(<]/u).length > 0;

/** They replace modules or load them anew, which vitest's own loader does alone. */
const replacing = packages.flatMap(({ root }) => testsWith(root, /\bvi\.(?:mock|doMock|resetModules)\(/u));

/** With processes of their own; the first engine of those of the command line is one that is wrong on purpose. */
const apart = new Set([
  ...isolated,
  'polygate',
  ...packages.filter(({ root }) => registers(root)).map(({ name }) => name),
]);

const built = (name: string, root: string, include: string[]) => ({
  plugins: [builtFiles],
  ...resolvedAsBuilt,
  test: { ...project(name, root, include).test, exclude: replacing, server },
});

/** Every project loads all that its tests import: packages that share processes share one. */
const together = [
  ...packages.filter(({ name }) => apart.has(name)).map(({ name, root }) => built(name, root, testsIn(root))),
  built(
    'packages',
    import.meta.dirname,
    packages.filter(({ name }) => !apart.has(name)).flatMap(({ root }) => testsIn(root)),
  ),
];

const workspaceTests = ['test', 'tools', 'bench', 'experiments'].map((folder) => `${folder}/**/*.test.ts`);
/** Modules of a user are loaded again and again, which vitest's own loader does alone. */
const reloading = ['test/extensions/misfits.test.ts'];
/** They change what a process has: engines, records, memory. */
const alone = [
  'test/extensions/{toy-*,unruly}.test.ts',
  ...['browser', 'command-line-errors', 'earlier-runs', 'kernel-names', 'memory', 'run-and-suite'].map(
    (name) => `test/${name}.test.ts`,
  ),
];

/** Tests of the whole on the built files, as users have them; `npm test` builds first. */
const workspace = (
  name: string,
  { include, exclude, isolate = false }: { include: string[]; exclude: string[]; isolate?: boolean },
) => ({
  ...resolvedAsBuilt,
  test: {
    ...project(name, import.meta.dirname, include).test,
    // Whole stages, in processes of their own.
    testTimeout: 180_000,
    exclude,
    isolate,
    server,
  },
});

/** The whole suite, as `npm test` runs it after it has built; parts of it are tested from the sources, built or not. */
const [command, ...words] = process.argv.slice(2);
const whole = command === 'run' && words.every((word) => word.startsWith('--reporter'));

export default defineConfig({
  test: {
    // One more than the two cores that the suite is sized for: what installs, compiles or waits leaves one idle.
    maxWorkers: 3,
    globalSetup: './tools/test-setup.ts',
    projects: [
      ...(whole ? together : byPackage),
      workspace('workspace', { include: workspaceTests, exclude: [...reloading, ...alone] }),
      project('reloading', import.meta.dirname, whole ? [...reloading, ...replacing] : reloading),
      workspace('alone', { include: alone, exclude: [], isolate: true }),
    ],
  },
});
