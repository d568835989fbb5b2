/** Small files that would take much memory: each is read in a process of its own, which must stay below its bound. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const script = join(import.meta.dirname, '..', 'tools', 'memory-bombs.mjs');
const names = [
  'tar of zeros',
  'shards of zeros',
  'caption of 20 MiB',
  'image of 1,000,000 x 12',
  'header of safetensors',
  'text without a blank line',
];

it('keeps the memory of files that would take much of it below a bound', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...names]);
  expect(stdout.trimEnd().split('\n')).toEqual(names.map((name) => expect.stringContaining(`    ${name} `)));
}, 240_000);
