/** Building the torch engine through its package's own script; here a script that says what a test wants. */
import { EngineError } from '@polygate/core';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildEngine } from './build-engine.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'polygate-engine-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const folder = 'node_modules/@polygate/backend-torch';
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const install = (script: string): void => {
  put(`${folder}/package.json`, '{"name": "@polygate/backend-torch"}');
  put(`${folder}/native/build.mjs`, script);
  put(
    `${folder}/build/status.json`,
    '{"state": "built", "source": "the tests", "root": "/torch", "cuda": true}',
  );
};

describe("buildEngine('torch')", () => {
  it('hands the Python and the wish to build anew to the script, and says what was built', async () => {
    install(`
import { writeFileSync } from 'node:fs';
writeFileSync(${JSON.stringify(join(root, 'argv.json'))}, JSON.stringify(process.argv.slice(2)));
console.log('torch engine: built against the tests (/torch), with CUDA');`);
    const built = await buildEngine('torch', { python: 'venv/bin/python', force: true, from: [root] });
    expect(built).toEqual({
      library: 'LibTorch (the tests)',
      root: '/torch',
      cuda: true,
      binding: join(root, folder, 'build/polygate_torch.node'),
      upToDate: false,
    });
    const argv = JSON.parse(readFileSync(join(root, 'argv.json'), 'utf8')) as unknown;
    expect(argv).toEqual(['--python', 'venv/bin/python', '--force']);
  });

  it('passes on why it was not built', async () => {
    install(`console.log('torch engine: not built: no C++ compiler was found; install a C++ compiler');`);
    const error: unknown = await buildEngine('torch', { from: [root] }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).message).toBe(
      'expected the torch engine to build, got: no C++ compiler was found; install a C++ compiler',
    );
  });

  it('says how an absent package is installed', async () => {
    await expect(buildEngine('torch', { from: [root] })).rejects.toThrow(
      'expected @polygate/backend-torch to be installed, got no such package; npm install @polygate/backend-torch, then build again',
    );
  });
});
