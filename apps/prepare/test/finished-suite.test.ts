/** When a finished suite is used as it is, and when it is prepared again: after damage, and after changes of its files. */
import { createLogger } from '@polygate/core';
import { acquireLock } from '@polygate/core/node';
import { readSuite, SUITE_FILE } from '@polygate/datasets';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare, type PrepareOptions } from '../src/index.ts';

let root = '';
let suite = '';
const put = async (path: string, content: string): Promise<string> => {
  const file = join(root, path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, content);
  return file;
};
const image = (colour: string, radius: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="${radius}" fill="${colour}"/></svg>`;

const recipe = {
  name: 'discs',
  image: { size: 8 },
  tokenizer: { vocabularySize: 300 },
  baselines: false,
  sources: {
    folders: { source: 'image-folder', path: 'discs', links: 'follow' },
    table: { source: 'captions-csv', file: 'captions.csv', images: '.' },
    lines: { source: 'jsonl', file: 'lines.jsonl' },
  },
};

const run = async (options: Partial<PrepareOptions> = {}) => {
  const told: string[] = [];
  const logger = createLogger((level, text) => level === 'warn' && told.push(text));
  const { reused } = await prepare({ recipe, workDirectory: root, ...options }, { logger });
  return { reused, told };
};
const reused = { reused: true, told: [] };
const again = (reason: RegExp) => ({
  reused: false,
  told: expect.arrayContaining([expect.stringMatching(reason)]) as string[],
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-finished-'));
  suite = join(root, 'data', 'discs');
  const table = ['image,caption'];
  const lines: string[] = [];
  for (const [c, colour] of ['red', 'blue'].entries()) {
    for (let i = 0; i < 4; i += 1) {
      const content = image(colour, i + 1);
      await put(i % 2 === 0 ? `discs/${colour}/${i}.svg` : `discs/${colour}/deep/${i}.svg`, content);
      await put(`images/a/b/${colour}-${i}.svg`, image(colour, i + 1.5));
      table.push(`images/a/b/${colour}-${i}.svg,a ${colour} disc of ${i}`);
      await put(`images/c/${colour}-${i}.svg`, image(colour, i + 1.7));
      lines.push(JSON.stringify({ image: `images/c/${colour}-${i}.svg`, text: `disc ${c} ${i}` }));
    }
  }
  await put('captions.csv', `${table.join('\n')}\n`);
  await put('lines.jsonl', `${lines.join('\n')}\n`);
  expect((await run()).reused).toBe(false);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A shard of the suite. */
const shard = async (): Promise<string> => {
  const names = await readdir(suite, { recursive: true });
  return join(suite, names.filter((name) => name.endsWith('.arrow')).sort()[0] ?? '');
};
/** Flips one bit. */
const flip = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  const offset = at < 0 ? bytes.length + at : at;
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(path, bytes);
};

describe('a finished suite that is damaged', () => {
  it('is prepared again, saying why', async () => {
    expect(await run()).toEqual(reused);
    const intact = await readFile(join(suite, SUITE_FILE), 'utf8');

    await rm(await shard());
    expect(await run()).toEqual(
      again(
        /^prepare discs: preparing .*discs again: it is damaged \(.*shard-00000\.arrow: expected a readable file named by the manifest, got ENOENT/u,
      ),
    );
    expect(await run()).toEqual(reused);

    await appendFile(await shard(), 'x');
    expect(await run()).toEqual(again(/it is damaged \(.*expected a file of \d+ bytes, got \d+ bytes/u));

    await flip(await shard(), 10);
    expect(await run()).toEqual(again(/it is damaged \(.*header at byte 0: expected CRC-32/u));

    await flip(join(suite, 'tokenizer.json'), 50);
    expect(await run()).toEqual(again(/it is damaged \(tokenizer\.json: expected another content/u));

    await rm(join(suite, 'quarantine.jsonl'));
    expect(await run()).toEqual(
      again(/it is damaged \(quarantine\.jsonl: expected a file of \d+ bytes, got none/u),
    );

    await flip(join(await shard(), '..', '_manifest.json'), -30);
    expect(await run()).toEqual(again(/_manifest\.json: expected another content/u));

    await writeFile(join(suite, SUITE_FILE), intact.replace('"red"', '"rad"'));
    expect(await run()).toEqual(
      again(
        /it is damaged \(suite .*suite\.json: expected the SHA-256 of itself at its end, got that of another/u,
      ),
    );

    await writeFile(join(suite, SUITE_FILE), '{');
    expect(await run()).toEqual(again(/it is damaged \(suite .*suite\.json: expected JSON/u));
    expect(await run()).toEqual(reused);
    expect(await readFile(join(suite, SUITE_FILE), 'utf8')).toBe(intact);
  });

  it('in the middle of a shard shows when every byte is read', async () => {
    const path = await shard();
    const { size } = await stat(path);
    await flip(path, Math.round(size / 2));
    expect(await run()).toEqual(reused);
    expect(await run({ verify: true })).toEqual(
      again(/it is damaged \(.*batch \d+ at byte \d+: expected CRC-32/u),
    );
    expect(await run({ verify: true })).toEqual(reused);
  });

  it('of an older version has its shards and its tokenizer checked', async () => {
    const { files: _, ...old } = await readSuite(suite);
    await writeFile(join(suite, SUITE_FILE), JSON.stringify(old));
    expect(await run()).toEqual(reused);
    await rm(join(suite, 'tokenizer.json'));
    expect(await run()).toEqual(again(/it is damaged/u));
  });
});

describe('a finished suite whose files change', () => {
  const changed = again(/again: its files or settings have changed$/u);

  it.each([
    ['an image of a class, changed in place', 'discs/red/0.svg'],
    ['an image deeper in the folder', 'discs/red/deep/1.svg'],
    ['an image of a table', 'images/a/b/red-1.svg'],
    ['an image that a manifest names from its own folder', 'images/c/red-1.svg'],
    ['the table', 'captions.csv'],
  ])('is prepared again: %s', async (_, path) => {
    await run();
    const before = await readFile(join(root, path), 'utf8');
    // As long as before, under the same name.
    await writeFile(join(root, path), before.replace(/red/gu, 'tan'));
    await utimes(join(root, path), new Date(1e12), new Date(1e12));
    expect(await run()).toEqual(changed);
    expect(await run()).toEqual(reused);
    await writeFile(join(root, path), before);
  });

  it('is prepared again for an image behind a link', async () => {
    await run();
    await put('elsewhere/9.svg', image('green', 3));
    await symlink(join(root, 'elsewhere'), join(root, 'discs', 'green'));
    expect(await run()).toEqual(changed);
    await put('elsewhere/9.svg', image('green', 4.5));
    expect(await run()).toEqual(changed);
    await rm(join(root, 'discs', 'green'));
  });

  it('is used when nothing else but outputs came into the folder', async () => {
    await run();
    await put('data/notes.png', 'not an image of ours');
    await put('runs/a/metrics.jsonl', '{}');
    expect(await run()).toEqual(reused);
  });
});

describe('two preparations', () => {
  it('of one suite are refused, and reading a finished one needs no lock', async () => {
    await run();
    const lock = await acquireLock(join(root, 'data', '.discs.lock'), { task: 'prepare', subject: 'it' });
    expect(await run()).toEqual(reused);
    await expect(run({ force: true })).rejects.toThrow(
      new RegExp(
        `^lock: expected the suite ${suite} to be free, got process ${process.pid} on .* \\(prepare, since`,
        'u',
      ),
    );
    await lock.release();
    expect((await run({ force: true })).reused).toBe(false);
    expect((await readdir(join(root, 'data'))).sort()).toEqual(['discs', 'notes.png']);
  });

  it('find what a killed one had set aside, and leave those of other suites alone', async () => {
    await run();
    const aside = join(root, 'data', '.discs.0a0a0a0a-0000-4000-8000-000000000000.old');
    await put('data/.discs.1b1b1b1b-0000-4000-8000-000000000000.tmp/half', '');
    await put('data/.discs.lock', JSON.stringify({ id: '0'.repeat(36), pid: 2 ** 22 + 1, host: hostname() }));
    expect(await run()).toEqual(reused);
    expect((await readdir(join(root, 'data'))).sort()).toEqual(['discs', 'notes.png']);
    await rename(suite, aside);
    expect((await readSuite(suite)).name).toBe('discs');
    await rename(suite, aside);
    const other = join(root, 'data', '.discs.x.0a0a0a0a-0000-4000-8000-000000000000.tmp');
    await mkdir(other);
    expect(await run()).toEqual(reused);
    expect((await run({ force: true })).reused).toBe(false);
    expect(await readdir(join(root, 'data'))).toContain('.discs.x.0a0a0a0a-0000-4000-8000-000000000000.tmp');
  });
});
