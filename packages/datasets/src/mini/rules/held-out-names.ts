import { nestedListRow, textRow } from '@polygate/stream';
import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

/** Splits that show concepts of training by another vendor. */
const SHARING = 'unseen-vendor';

/** The first caption is a name of its own; the others are lists of keywords, each of which may be a name. */
export const heldOutNames: LeakageRule = Object.freeze({
  name: 'emoji-names',
  summary: 'no caption of a training emoji is, or lists, the name of a held-out one',
  async check(suite) {
    const counter = new FindingCounter();
    for (const dataset of suite.suite.datasets) {
      const columns = await suite.columns(dataset);
      if (dataset.kind !== 'captioned-image' || !columns.includes('concept')) continue;
      const captions = (split: string) =>
        suite.rows(dataset, split, (batch, row) => ({
          id: textRow(batch, 'id', row),
          texts: nestedListRow(batch, 'captions', row).map((ids) =>
            suite.tokenizer.decode(Array.from(ids, Number)).toLowerCase(),
          ),
        }));
      const held = new Set<string>();
      for (const split of Object.keys(dataset.splits)) {
        if (split === 'train' || split === SHARING) continue;
        for await (const { texts } of captions(split)) if (texts[0] !== undefined) held.add(texts[0]);
      }
      if (!dataset.splits['train']) continue;
      for await (const { id, texts } of captions('train')) {
        counter.add();
        const named = [...texts, ...texts.slice(1).flatMap((text) => text.split(', '))].find((text) =>
          held.has(text),
        );
        if (named !== undefined) counter.violate(`${dataset.name}/train ${id} names "${named}"`);
      }
    }
    return counter.finding();
  },
} satisfies LeakageRule);
