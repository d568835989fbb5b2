import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const native = fileURLToPath(new URL('../native', import.meta.url));
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** The build script in a copy of the package, so that the real build stays untouched. */
describe('native/build.mjs', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'polygate-build-'));
    cpSync(native, join(root, 'native'), { recursive: true });
    symlinkSync(modules, join(root, 'node_modules'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  const build = (env: NodeJS.ProcessEnv, ...options: string[]): string =>
    execFileSync(process.execPath, [join(root, 'native/build.mjs'), ...options], {
      encoding: 'utf8',
      env: { ...process.env, POLYGATE_BUILD_STRICT: '', XDG_CACHE_HOME: join(root, 'cache'), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const status = (): Record<string, unknown> =>
    JSON.parse(readFileSync(join(root, 'build/status.json'), 'utf8')) as Record<string, unknown>;

  it('can be switched off, in one line, with success', () => {
    const output = build({ POLYGATE_LIBTORCH: 'off' });
    expect(output).toBe('torch engine: not built: POLYGATE_LIBTORCH=off; unset POLYGATE_LIBTORCH\n');
    expect(status()).toMatchObject({ state: 'unavailable', code: 'switched-off' });
  });

  it('names the remedy when POLYGATE_LIBTORCH points nowhere', () => {
    const output = build({ POLYGATE_LIBTORCH: root });
    expect(output).toMatch(
      /^torch engine: not built: POLYGATE_LIBTORCH is .*; point POLYGATE_LIBTORCH at the folder/,
    );
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(status()).toMatchObject({ state: 'unavailable', code: 'libtorch-missing' });
  });

  it('names the remedy when there is no compiler or no LibTorch', () => {
    const output = build({ PATH: root, CXX: '', PYTHON: '', POLYGATE_LIBTORCH: '' });
    expect(output).toMatch(
      /^torch engine: not built: (no C\+\+ compiler|LibTorch) was(?: not)? found; install/,
    );
    expect(status()['remedy']).toMatch(/apt-get install/);
  });

  it('asks the Python that is named and no other, and leaves what was built', () => {
    writeFileSync(join(root, 'python'), '#!/bin/sh\necho\n', { mode: 0o755 });
    const built = { state: 'built', key: 'of before' };
    mkdirSync(join(root, 'build'));
    writeFileSync(join(root, 'build/status.json'), JSON.stringify(built));
    const output = build({ POLYGATE_LIBTORCH: '' }, '--python', join(root, 'python'));
    expect(output).toMatch(
      /^torch engine: not built: \S+python has no torch with headers and libraries; `\S+python -m pip install torch`, then run `(?:npx polygate engines build torch|node \S+build\.mjs)`\n$/u,
    );
    expect(status()).toEqual(built);
  });

  it('reports what the compiler said', () => {
    // A LibTorch in name only: the script checks for two files, the compiler for the rest. What all sources read first
    // stops it before it compiles anything.
    const fake = join(root, 'libtorch');
    for (const [file, text] of [
      ['include/ATen/ATen.h', '#error "broken on purpose"\n'],
      ['include/torch/library.h', ''],
      ['lib/libtorch_cpu.so', ''],
    ] as const) {
      mkdirSync(dirname(join(fake, file)), { recursive: true });
      writeFileSync(join(fake, file), text);
    }
    const output = build({ POLYGATE_LIBTORCH: fake });
    expect(output).toMatch(
      /not built: (the binding did not compile against POLYGATE_LIBTORCH .*broken on purpose|no C\+\+ compiler)/,
    );
    expect(output).not.toContain('undefined');
  }, 120_000);

  it('fails only when asked to', () => {
    expect(() => build({ POLYGATE_LIBTORCH: 'off', POLYGATE_BUILD_STRICT: '1' })).toThrow();
  });
});
