import { createHash } from 'node:crypto';
import { fixedListRow, textRow } from '@polygate/stream';
import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

/** Pixels are compared where labels are asked for; one drawing may have several captions and concepts. */
export const equalImages: LeakageRule = Object.freeze({
  name: 'equal-images',
  summary: 'no labelled image of one side has the pixels of one of the other',
  async check(suite) {
    const counter = new FindingCounter();
    const keyOf = (pixels: ArrayLike<number>): string =>
      createHash('sha1').update(Uint8Array.from(pixels)).digest('base64');
    for (const dataset of suite.suite.datasets) {
      if (dataset.kind !== 'labelled-image' || !dataset.splits['train']) continue;
      const trained = new Map<string, string>();
      const read = (split: string) =>
        suite.rows(dataset, split, (batch, row) => ({
          id: textRow(batch, 'id', row),
          key: keyOf(fixedListRow(batch, 'image', row)),
        }));
      for await (const { id, key } of read('train')) trained.set(key, id);
      for (const split of Object.keys(dataset.splits)) {
        if (split === 'train') continue;
        for await (const { id, key } of read(split)) {
          counter.add();
          const other = trained.get(key);
          if (other !== undefined)
            counter.violate(`${dataset.name}/${split} ${id} has the pixels of the training's ${other}`);
        }
      }
    }
    return counter.finding();
  },
} satisfies LeakageRule);
