/**
 * Bad input through prepare as a user meets it: every fault gives the typed error whose text holds the remedy, or lands in the list of bad
 * samples with its reason, and the samples that are good all arrive. Nothing
 * hangs: each case has a limit of time.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { prepare } from '@polygate/app-prepare';
import { ConfigError, crc32, StateError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { expectError, folder, prepareSmall, timeout, useSmallSuite } from './bad-input.ts';
import { IMAGES, put, smallPrepareRecipe, writeRawFiles } from './small-suite.ts';

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
};

/** A grey PNG of 12 x 12 pixels, made by hand so that its bytes are known. */
const png = (): Buffer => {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(12, 0);
  header.writeUInt32BE(12, 4);
  header[8] = 8;
  const rows = Buffer.alloc(12 * 13, 0x80);
  for (let row = 0; row < 12; row += 1) rows[row * 13] = 0;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
};

interface Quarantined {
  readonly dataset: string;
  readonly id: string;
  readonly code: string;
  readonly reason: string;
}

const quarantineOf = async (directory: string): Promise<Quarantined[]> =>
  (await readFile(join(directory, 'quarantine.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Quarantined);

const rowsOf = (splits: Readonly<Record<string, { readonly rows: number }>> = {}): number =>
  Object.values(splits).reduce((sum, { rows }) => sum + rows, 0);

useSmallSuite();

describe('bad samples', { timeout }, () => {
  it('are listed with their reasons, and the good ones all arrive', async () => {
    await writeRawFiles(folder);
    const whole = png();
    const flipped = Buffer.from(whole);
    // Byte 50 lies in the compressed pixels (8 signature, 25 IHDR, 8 before the data).
    flipped[50] = (flipped[50] ?? 0) ^ 0xff;
    const images = {
      'good.png': whole,
      'flipped.png': flipped,
      'cut.png': whole.subarray(0, whole.length - 25),
      'text.png': Buffer.from('not an image at all'),
      'empty.png': Buffer.alloc(0),
    };
    for (const [name, bytes] of Object.entries(images)) {
      await put(folder, `images/grey/${name}`, bytes);
      await put(folder, `images/grey/captioned-${name}`, bytes);
    }
    const table = await readFile(join(folder, 'captions.csv'), 'utf8');
    const lines = Object.keys(images).map((name) => `grey/captioned-${name},a grey image`);
    lines.push('grey/gone.png,a missing one', 'red/left-2.svg,', 'red/left-3.svg,   ', '../secret.png,out');
    lines.push('red/left-4.svg,one,two,three');
    await writeFile(join(folder, 'captions.csv'), `${table}${lines.join('\n')}\n`);
    await put(folder, 'book.txt', `${'a good line of a book\n'.repeat(6)}<|endoftext|> in a line\n`);

    const { directory, suite } = await prepareSmall(['limits.rate=0.5', 'sources.lines.testPercent=0']);
    const listed = await quarantineOf(directory);
    const of = (dataset: string): string[] =>
      listed
        .filter((entry) => entry.dataset === dataset)
        .map(({ id, code }) => `${id}: ${code}`)
        .sort();
    const corrupt = ['cut', 'empty', 'flipped', 'text'];
    expect(of('colours')).toEqual(
      [...corrupt, ...corrupt.map((name) => `captioned-${name}`)]
        .map((name) => `grey/${name}.png: corrupt-image`)
        .sort(),
    );
    // The table has a header and two lines for each image before these.
    const line = (extra: number): number => 1 + 2 * IMAGES + extra;
    expect(of('bars')).toEqual(
      [
        ...corrupt.map((name) => `grey/captioned-${name}.png: corrupt-image`),
        'grey/gone.png: missing-file',
        `red/left-2.svg (line ${line(7)}): empty-caption`,
        `red/left-3.svg (line ${line(8)}): empty-caption`,
        '../secret.png: path-outside',
        `line ${line(10)}: field-count`,
      ].sort(),
    );
    expect(of('lines')).toEqual(['book.txt:7: special-token']);
    for (const { reason } of listed)
      expect(reason).toMatch(/^expected .+, got:? .+|^expected a path inside/u);
    // 36 drawn images and the good grey one, twice in the folders, once in the table: nothing is lost without a word.
    const [colours, bars] = suite.datasets;
    expect(rowsOf(colours?.splits)).toBe(IMAGES + 2);
    expect(rowsOf(bars?.splits)).toBe(IMAGES + 1);
    expect(Object.values(suite.quarantine).reduce((sum, count) => sum + count, 0)).toBe(listed.length);
  });

  it('stop the preparation when they are too many, and the list stays', async () => {
    await writeRawFiles(folder);
    await put(folder, 'captions.csv', `image,caption\n${'gone.png,\n'.repeat(9)}`);
    const error = await expectError(
      prepareSmall(['limits.run=5']),
      StateError,
      /^prepare bars: expected few bad samples, got empty-caption 6 \(last: .+\); they are listed in .+small\.quarantine\.jsonl: mend the source, or raise limits\.rate and limits\.run$/u,
    );
    expect(error.code).toBe('quarantine-limit');
    expect(await readdir(join(folder, 'data'))).toEqual(['small.quarantine.jsonl']);
  });
});

describe('prepare refuses', { timeout }, () => {
  it('a table whose columns are others', async () => {
    await writeRawFiles(folder);
    const table = await readFile(join(folder, 'captions.csv'), 'utf8');
    await writeFile(join(folder, 'captions.csv'), table.replace('image,caption', 'image,words'));
    const error = await expectError(
      prepareSmall(),
      ConfigError,
      /captions\.csv: expected the caption column to be named "caption".*, got the columns "image", "words"; set captionColumn to one of these$/u,
    );
    expect(error.code).toBe('table-column');
    // The remedy works.
    expect((await prepareSmall(['sources.bars.captionColumn=words'])).suite.datasets).toHaveLength(3);
  });

  it('files and folders that are not there', async () => {
    await writeRawFiles(folder);
    await expectError(
      prepareSmall(['sources.bars.file=none.csv']),
      ConfigError,
      `captions file: expected a file, got nothing at ${join(folder, 'none.csv')}`,
    );
    await expectError(
      prepareSmall(['sources.bars.images=none']),
      ConfigError,
      `captions images: expected a folder, got nothing at ${join(folder, 'none')}`,
    );
    await expectError(prepareSmall(['sources.colours.path=none']), ConfigError, /expected .*folder.*none/u);
    await expectError(
      prepareSmall(['sources.lines.files=["none.txt"]']),
      ConfigError,
      /expected a file, got nothing at .*none\.txt/u,
    );
    await expectError(
      prepareSmall(['tokenizer.file=none.json']),
      StateError,
      /expected a readable file at .*none\.json, got ENOENT; give the path of a tokenizer\.json/u,
    );
    expect(await readdir(folder)).not.toContain('data');
  });

  it('recipes and keys that it does not know, with those that it knows', async () => {
    await expectError(
      prepareSmall(['image.sise=16']),
      ConfigError,
      'unknown setting "image.sise": did you mean "image.size"?',
    );
    await expectError(
      prepare({ recipe: { ...smallPrepareRecipe, sorces: {} }, workDirectory: folder }),
      ConfigError,
      'unknown prepare recipe key "sorces": did you mean "sources"?',
    );
    await expectError(
      prepare({ recipe: 'minni', workDirectory: folder }),
      ConfigError,
      /^unknown prepare recipe "minni": did you mean "mini"\? known: /u,
    );
    await expectError(
      prepareSmall(['sources.bars.source=captions-cvs']),
      ConfigError,
      'unknown source "captions-cvs": did you mean "captions-csv"?',
    );
  });

  it('a folder that can not be written', async () => {
    await writeRawFiles(folder);
    // A path below a file: no user, not even root, can write there.
    await put(folder, 'blocked', 'a file');
    const error = await expectError(
      prepare({ recipe: smallPrepareRecipe, workDirectory: folder, output: 'blocked/data' }),
      StateError,
      /^write .*blocked\/data.*: a part of the path is a file; choose another folder; nothing was changed/u,
    );
    expect(error.code).toBe('not-writable');
  });
});
