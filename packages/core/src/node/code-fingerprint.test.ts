import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeFingerprint } from './code-fingerprint.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-code-'));
  await mkdir(join(folder, 'deep'));
  await writeFile(join(folder, 'deep', 'kernel.js'), 'one');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('changes with a file of code and with nothing else', async () => {
  const first = codeFingerprint(folder);
  expect(first).toMatch(/^[0-9a-f]{64}$/u);
  await writeFile(join(folder, 'notes.md'), 'no code');
  expect(codeFingerprint(folder)).toBe(first);
  const path = join(folder, 'deep', 'kernel.js');
  await utimes(path, new Date(1e12), new Date(1e12));
  const touched = codeFingerprint(folder);
  expect(touched).not.toBe(first);
  await writeFile(path, 'another');
  await utimes(path, new Date(1e12), new Date(1e12));
  expect(codeFingerprint(folder)).not.toBe(touched);
});
