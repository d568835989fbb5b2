import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
const isolated = new Set(['tensor', 'backend-torch', 'extensions']);

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

const packages = packageRoots.map((root) => {
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
  return { name: name.replace('@polygate/', ''), root };
});

const testsIn = (root: string): string[] => [`${root}/src/**/*.test.ts`, `${root}/test/**/*.test.ts`];

const byPackage = packages.map(({ name, root }) => project(name, root, testsIn(root)));

/** Whether tests of a package register records or engines, which all tests of their process then have. */
const registers = (root: string): boolean =>
  ['src', 'test'].some(
    (folder) =>
      existsSync(join(root, folder)) &&
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).some(
        (file) =>
          file.endsWith('.test.ts') &&
          /\bregister[A-Z]\w*[(<]/u.test(readFileSync(join(root, folder, file), 'utf8')),
      ),
  );

/** With processes of their own; the first engine of those of the command line is one that is wrong on purpose. */
const apart = new Set([
  ...isolated,
  'polygate',
  ...packages.filter(({ root }) => registers(root)).map(({ name }) => name),
]);

/** Every project compiles and loads all that its tests import: packages that share processes share one. */
const together = [
  ...packages
    .filter(({ name }) => apart.has(name))
    .map(({ name, root }) => project(name, root, testsIn(root))),
  project(
    'packages',
    import.meta.dirname,
    packages.filter(({ name }) => !apart.has(name)).flatMap(({ root }) => testsIn(root)),
  ),
];

const workspaceTests = ['test', 'tools', 'bench', 'experiments'].map((folder) => `${folder}/**/*.test.ts`);
/** They load modules of a user again and again, which vitest's own loader does alone. */
const extensions = ['test/extensions/*.test.ts'];
/** They change what a process has: engines, memory. */
const alone = [
  ...['browser', 'command-line-errors', 'earlier-runs', 'kernel-names', 'memory', 'run-and-suite'].map(
    (name) => `test/${name}.test.ts`,
  ),
];

/** Tests of the whole on the built files, as users have them; `npm test` builds first. */
const workspace = (
  name: string,
  { include, exclude, isolate = false }: { include: string[]; exclude: string[]; isolate?: boolean },
) => ({
  resolve: { conditions: builtConditions },
  ssr: { resolve: { conditions: builtConditions, externalConditions: builtConditions } },
  test: {
    ...project(name, import.meta.dirname, include).test,
    // Whole stages, in processes of their own.
    testTimeout: 180_000,
    exclude,
    isolate,
    server: { deps: { external: [/\/(?:packages|apps|bench|experiments)\/[\w-]+\/dist\//u] } },
  },
});

export default defineConfig({
  test: {
    // One more than the two cores that the suite is sized for: what installs, compiles or waits leaves one idle.
    maxWorkers: 3,
    globalSetup: './tools/test-setup.ts',
    projects: [
      ...(process.argv.some((argument) => argument.startsWith('--project')) ? byPackage : together),
      workspace('workspace', { include: workspaceTests, exclude: [...extensions, ...alone] }),
      project('extensions', import.meta.dirname, extensions),
      workspace('alone', { include: alone, exclude: [], isolate: true }),
    ],
  },
});
