import { EngineError } from '@polygate/core';
import type * as files from 'node:fs';
import { existsSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { loadBinding } from './binding.ts';

vi.mock('node:fs', async (original) => ({
  ...(await original<typeof files>()),
  existsSync: vi.fn(() => false),
}));

it('an installation whose scripts were not run names the command that builds', () => {
  vi.stubEnv('POLYGATE_LIBTORCH', '');
  let error: unknown;
  try {
    loadBinding();
  } catch (cause) {
    error = cause;
  }
  vi.unstubAllEnvs();
  expect(existsSync).toHaveBeenCalled();
  expect(error).toBeInstanceOf(EngineError);
  expect((error as EngineError).message).toBe(
    'the torch engine is not available: the native binding was not built when the package was installed; run `npx polygate engines build torch` (npm runs install scripts only where they are allowed)',
  );
});
