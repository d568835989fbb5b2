import { textRow } from '@polygate/stream';
import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

/** Folders of clip art that show what the emoji show, or next to nothing. */
const excluded = /(?:^|\/)(?:flags?|smil(?:ey|ie)s?)(?:\/|_|$)/iu;

export const clipArtExclusions: LeakageRule = Object.freeze({
  name: 'clip-art-exclusions',
  summary: 'clip art has no flags and no smileys, which emoji have',
  async check(suite) {
    const counter = new FindingCounter();
    for (const dataset of suite.suite.datasets) {
      if (!(await suite.columns(dataset)).includes('series')) continue;
      for (const split of Object.keys(dataset.splits)) {
        for await (const id of suite.rows(dataset, split, (batch, row) => textRow(batch, 'id', row))) {
          counter.add();
          if (excluded.test(id)) counter.violate(`${dataset.name}/${split} ${id}`);
        }
      }
    }
    return counter.finding();
  },
} satisfies LeakageRule);
