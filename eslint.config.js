import nx from '@nx/eslint-plugin';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import tseslint from 'typescript-eslint';

/** Layer of the command line, the bench and the experiments, which may import all below. */
const HIGHEST_LAYER = 9;
/** Each package may import exactly its declared @polygate dependencies, and only of a lower layer. */
const depConstraints = [];
for (let layer = 0; layer <= HIGHEST_LAYER; layer += 1) {
  depConstraints.push({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: Array.from({ length: layer }, (_, lower) => `layer:${lower}`),
  });
}
// From here, not from where eslint was started: `nx lint` starts it in a package.
const packages = join(import.meta.dirname, 'packages');
for (const name of readdirSync(packages)) {
  const manifest = JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8'));
  const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    .filter((key) => key.startsWith('@polygate/'))
    .map((key) => `pkg:${key.slice('@polygate/'.length)}`);
  depConstraints.push({ sourceTag: `pkg:${name}`, onlyDependOnLibsWithTags: dependencies });
}

/** `@polygate/stream` is the only importer of Arrow. */
const arrowPath = {
  name: 'apache-arrow',
  message: 'Import from @polygate/stream: it is the only importer of apache-arrow.',
};
/** Values in error texts have bounds. */
const boundedErrors = {
  selector:
    "NewExpression[callee.name=/Error$/] CallExpression[callee.object.name='JSON'][callee.property.name='stringify']",
  message: "Show values in errors by core's excerpt: it bounds depth and length.",
};
/** JSON of files is read with bounds and names the place of its faults. */
const boundedJson = {
  selector: "CallExpression[callee.object.name='JSON'][callee.property.name='parse']",
  message: "Read JSON by core's parseJson: it skips a byte order mark, has bounds and says where a fault is.",
};
/** Packages that bundle for a browser. What needs Node lies in their `src/node`, behind a `#name` of their package.json. */
const runAnywhere = [
  'core',
  'tensor',
  'tokens',
  'attributes',
  'evaluation',
  'figures',
  'nn',
  'losses',
  'routers',
  'modalities',
  'encoder',
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/build/**',
      '**/fixtures/**',
      '.nx/**',
      'runs/**',
      'data/**',
      '.cache/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.js', '**/*.mjs'],
    plugins: { '@nx': nx },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: 'error',
      'max-lines': ['error', { max: 800 }],
      'no-restricted-syntax': ['error', boundedErrors],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          // Inside one package: the form that its package.json chooses by the platform.
          allow: ['#*'],
          checkDynamicDependenciesExceptions: ['.*'],
          depConstraints,
        },
      ],
      'no-restricted-imports': ['error', { paths: [arrowPath] }],
    },
  },
  {
    files: runAnywhere.map((name) => `packages/${name}/src/**/*.ts`),
    ignores: ['**/*.test.ts', '**/src/node/**', '**/src/testing/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [arrowPath],
          patterns: [
            {
              regex: '^node:|^\\./node/|^@polygate/core/node$',
              message:
                'This package runs in browsers: files are read through @polygate/core/files; what needs Node goes to src/node, behind a # import of package.json or an entry of its own.',
            },
          ],
        },
      ],
      'no-restricted-globals': ['error', 'Buffer', 'process'],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts', 'experiments/src/**/*.ts'],
    // Those that need no place of a fault: a word of the command line, a lock or a torn line of ours, pinned packages.
    ignores: [
      '**/*.test.ts',
      'packages/core/src/{json,json-keys,settings}.ts',
      'packages/core/src/node/lock.ts',
      'packages/training/src/metric-lines.ts',
      'packages/datasets/src/mini/*.ts',
    ],
    rules: { 'no-restricted-syntax': ['error', boundedErrors, boundedJson] },
  },
  { files: ['packages/stream/**'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: ['**/*.test.ts', 'bench/**', 'tools/**', 'test/**', 'packages/core/src/console-logger.ts'],
    rules: { 'no-console': 'off' },
  },
);
