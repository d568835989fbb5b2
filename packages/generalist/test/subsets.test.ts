/** Parts of splits as sources of training: which rows, and what is left of them. */
import { createRandom } from '@polygate/core';
import { kindNamed } from '@polygate/datasets';
import { buildTaskSources, parseRecipe, subsetsOf, tasksOf, type OpenSuite } from '@polygate/generalist';
import {
  buildBatch,
  datasetMetadata,
  defineSchema,
  nestedListRow,
  openShards,
  textRow,
  writeShards,
} from '@polygate/stream';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tinyModel, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

describe('the source of a task on a subset', () => {
  it('has the size of the subset, its rows alone, and data of its own', async () => {
    const tasks = (subset?: { readonly share: number }) => ({
      naming: { family: 'image-classification', dataset: 'colours', batchSize: 8, subset } as const,
    });
    using model = tinyModel();
    const sources = async (subset?: { readonly share: number }) => {
      const [source] = await buildTaskSources(tiny.data, parseRecipe({ tasks: tasks(subset) }), {
        image: model.image,
      });
      if (!source) throw new Error('no source');
      return source;
    };
    const whole = await sources();
    const part = await sources({ share: 0.25 });
    // Of 4 samples of each of 4 classes: int(0.25 * 4) + 1 = 2.
    expect([whole.size, part.size]).toEqual([16, 8]);
    expect(part.data).not.toBe(whole.data);
    const labels = (await part.next(0, { random: createRandom(1) })).labels;
    expect([...labels].sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });

  it('shows of captioned clips the chosen pairs alone', async () => {
    const { tokenizer } = tiny.data;
    const folder = join(tiny.scratch, 'clips');
    const kind = kindNamed('captioned-video');
    const schema = defineSchema(
      kind.columns({ imageSize: 8, settings: { frames: 2 } }),
      datasetMetadata({ kind: kind.name, tokenizer: tokenizer.hash }),
    );
    const rows = Array.from({ length: 6 }, (_, i) => i);
    await writeShards(folder, schema, [
      buildBatch(schema, {
        id: rows.map((row) => `clip ${row}`),
        frames: rows.map(() => new Uint8Array(2 * 8 * 8 * 3)),
        frame_count: rows.map(() => 2),
        // The captions of row r: the tokens 10 r, 10 r + 1, ... 10 r + 4.
        captions: rows.map((row) => [0, 1, 2, 3, 4].map((caption) => [10 * row + caption])),
        concept: rows.map(String),
      }),
    ]);
    await using shards = await openShards(folder);
    const data: OpenSuite = {
      ...tiny.data,
      suite: {
        ...tiny.data.suite,
        datasets: [{ name: 'clips', kind: kind.name, splits: { train: { rows: 6 } } }],
      },
      shards: () => Promise.resolve(shards),
    };
    const recipe = parseRecipe({
      tasks: { telling: { family: 'video-captioning', dataset: 'clips', subset: { share: 0.3, seed: 3 } } },
    });
    const subset = (await subsetsOf(data, Object.entries(tasksOf(recipe, data)))).get('telling');
    if (!subset) throw new Error('no subset');
    const { ids, captions = [] } = subset.list;
    // Of 30 pairs.
    expect(captions.flat()).toHaveLength(9);
    const batch = await subset.rows.read(ids.map((_, i) => i));
    ids.forEach((id, i) => {
      expect(textRow(batch, 'id', i)).toBe(id);
      const row = Number(id.split(' ')[1]);
      expect(nestedListRow(batch, 'captions', i).map((tokens) => [...tokens])).toEqual(
        captions[i]?.map((caption) => [10 * row + caption]),
      );
    });
  });
});
