/** A dataset reader and a kind of dataset in a module of somebody else, through the command line. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fixedListRow, openShards, readDatasetMetadata, values } from '@polygate/stream';
import { describe, expect, it } from 'vitest';
import { none, readPrepared, useOwnData } from '../own-data.ts';
import { polygate } from '../polygate.ts';
import { smallTrainingRecipe } from '../small-suite.ts';

const EXTENSION = join(import.meta.dirname, 'toy-reader.mjs');
const data = useOwnData();

/** Crosses and bars of several sizes, and a name without a drawing. */
const drawings = (): string => {
  const blocks: string[] = [];
  for (let size = 3; size < 11; size += 1) {
    const line = '#'.repeat(size);
    const cross = Array.from({ length: size }, (_, row) =>
      row === size >> 1 ? line : `${' '.repeat(size >> 1)}#`,
    );
    blocks.push(
      ['cross', ...cross].join('\n'),
      ['bar', line, ...Array.from({ length: size - 1 }, () => ' ')].join('\n'),
    );
  }
  return [...blocks, 'cross'].join('\n\n');
};

describe('a reader of an extension', () => {
  it('is found by --from, and its suite is trained on and evaluated', async () => {
    const file = await data.put('art/signs.ascii', drawings());
    const out = data.at('data');
    const asked = ['--out', out, '--extension', EXTENSION, '--set', 'image.size=8'];
    const prepared = await polygate('prepare', '--from', data.at('art'), ...asked);
    expect([prepared.code, prepared.code === 0 ? '' : prepared.log]).toEqual([0, '']);
    expect(prepared.out).toContain('read by ascii-art: drawings in signs.ascii');
    const { quarantine, classes } = await readPrepared(join(out, 'art'));
    expect([quarantine, classes]).toEqual([{ 'empty-drawing': 1 }, ['bar', 'cross']]);

    // The recipe that was written names the extension: nobody has to say it again.
    const recipe = JSON.parse(await readFile(join(out, 'art.recipe.json'), 'utf8')) as object;
    expect(recipe).toMatchObject({
      extensions: ['./test/extensions/toy-reader.mjs'],
      sources: { art: { source: 'ascii-art', file } },
    });
    const again = await polygate('prepare', '--recipe', join(out, 'art.recipe.json'), '--out', out);
    expect(again.log).toContain('nothing to do');

    const training = { ...smallTrainingRecipe(join(out, 'art')), name: 'art', steps: '3 steps', tasks: {} };
    const recipeFile = await data.put('art.json', JSON.stringify(training));
    const run = data.at('run');
    expect((await polygate('pretrain', '--recipe', recipeFile, '--run', run)).log).toContain(
      'finished at step 3',
    );
    const scored = await polygate('evaluate', '--run', run, '--engine', 'wasm');
    expect([scored.code, scored.out + scored.log]).toEqual([0, expect.stringContaining('art')]);
  });

  it('has settings that are checked like all others', async () => {
    const file = await data.put('art/signs.ascii', drawings());
    const art = { source: 'ascii-art', file };
    const extension = ['--extension', EXTENSION];
    expect(await data.refused({ art: { ...art, mrk: '*' } }, ...extension)).toContain(
      'unknown prepare recipe key "sources.art.mrk": did you mean "sources.art.mark"?',
    );
    expect(await data.refused({ art }, ...extension, '--set', 'sources.art.mark=')).toContain(
      'sources.art.mark',
    );
    expect(await data.refused({ art: { ...art, source: 'ascii' } }, ...extension)).toContain('ascii-art');
  });
});

describe('a kind of dataset of an extension', () => {
  it('has columns and a section of the recipe of its own', async () => {
    const file = await data.put('moves.txt', 'walk: 0.5 1 1.5\nrun: 2 3 4 5 6\nwalk: 1\n');
    const sources = { moves: { source: 'signals', file, ...none } };
    const { code, log } = await data.run(sources, '--extension', EXTENSION, '--set', 'signal.length=3');
    expect([code, code === 0 ? '' : log.join('\n')]).toEqual([0, '']);
    const shards = await openShards(data.at('data/own/moves/train'));
    const rows: (readonly [number[], number])[] = [];
    for await (const batch of shards.batches())
      for (let row = 0; row < batch.numRows; row += 1)
        rows.push([
          Array.from(fixedListRow(batch, 'signal', row), Number),
          Number(values(batch, 'label')[row]),
        ]);
    expect(rows).toEqual([
      [[0.5, 1, 1.5], 1],
      [[2, 3, 4], 0],
      [[1, 0, 0], 1],
    ]);
    expect(readDatasetMetadata(shards.schema)).toMatchObject({
      kind: 'labelled-signal',
      classes: ['run', 'walk'],
    });
    await shards.close();
    expect(await data.refused(sources, '--extension', EXTENSION, '--set', 'signal.length=0')).toContain(
      'signal.length',
    );
  });
});
