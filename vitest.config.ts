import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const conditions = ['@polygate/source', 'node', 'import', 'module', 'default'];

/** One vitest project per workspace package, named as in its package.json without the scope. From wherever it is started. */
const packageRoots = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(import.meta.dirname, kind))
    .map((name) => join(import.meta.dirname, kind, name))
    .filter((root) => existsSync(join(root, 'package.json'))),
);

/** What tests of these change in their process: engines that are started, current, remembered or missing. */
const isolated = new Set(['tensor', 'backend-torch', 'workspace']);

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

export default defineConfig({
  test: {
    // One more than the two cores that the suite is sized for: what installs, compiles or waits leaves one idle.
    maxWorkers: 3,
    globalSetup: './tools/test-setup.ts',
    projects: [
      ...packageRoots.map((root) => {
        const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
        return project(name.replace('@polygate/', ''), root, ['src/**/*.test.ts', 'test/**/*.test.ts']);
      }),
      project('workspace', import.meta.dirname, [
        'test/**/*.test.ts',
        'tools/**/*.test.ts',
        'bench/**/*.test.ts',
        'experiments/**/*.test.ts',
      ]),
    ],
  },
});
