/** Rules of one form: no value of a column is in a training split and in a held-out one, of whichever dataset. */
import { textRow } from '@polygate/stream';
import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

export interface DisjointColumnOptions {
  readonly name: string;
  readonly summary: string;
  /** A text column; rows where it is empty are not meant. */
  readonly column: string;
  /** Splits that share values with training because they hold something else out. @default none */
  readonly sharing?: readonly string[];
}

/** A rule about a column of the rows. */
export const disjointColumn = (options: DisjointColumnOptions): LeakageRule => {
  const { name, summary, column, sharing = [] } = options;
  return Object.freeze({
    name,
    summary,
    async check(suite) {
      const counter = new FindingCounter();
      const trained = new Map<string, string>();
      const datasets = [];
      for (const dataset of suite.suite.datasets) {
        if ((await suite.columns(dataset)).includes(column)) datasets.push(dataset);
      }
      for (const dataset of datasets) {
        if (!dataset.splits['train']) continue;
        for await (const value of suite.rows(dataset, 'train', (batch, row) => textRow(batch, column, row))) {
          if (value !== '') trained.set(value, dataset.name);
        }
      }
      for (const dataset of datasets) {
        for (const split of Object.keys(dataset.splits)) {
          if (split === 'train' || sharing.includes(split)) continue;
          const rows = suite.rows(dataset, split, (batch, row) => ({
            id: textRow(batch, 'id', row),
            value: textRow(batch, column, row),
          }));
          for await (const { id, value } of rows) {
            if (value === '') continue;
            counter.add();
            const other = trained.get(value);
            if (other !== undefined)
              counter.violate(
                `${dataset.name}/${split} ${id}: ${column} "${value}" is trained on in ${other}`,
              );
          }
        }
      }
      return counter.finding();
    },
  } satisfies LeakageRule);
};
