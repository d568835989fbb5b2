/** The rows of a prepared suite as rules read them: columns of texts, and the lines of its text datasets. */
import { listRow, openShards, textRow, type RecordBatch } from '@polygate/stream';
import { loadTokenizer, type Tokenizer } from '@polygate/tokens';
import { join } from 'node:path';
import { readSuite, splitFolder, type Suite, type SuiteDataset } from '../../suite/suite.ts';

/** A line of a text dataset. */
export interface SuiteLine {
  /** Value of the column `source`; empty where there is none. */
  readonly source: string;
  readonly line: string;
}

/** What packed rows hold between two lines. */
const LINE_END = '<|endoftext|>';

/** A prepared suite, opened to be read by rules. */
export interface SuiteRows {
  readonly suite: Suite;
  readonly tokenizer: Tokenizer;
  /** Names of the columns of a dataset. */
  columns(dataset: SuiteDataset): Promise<readonly string[]>;
  /** One value of each row of a split. */
  rows<T>(
    dataset: SuiteDataset,
    split: string,
    toRow: (batch: RecordBatch, row: number) => T,
  ): AsyncGenerator<T>;
  /** The lines of a split of kind text, as they were before they were packed. */
  lines(dataset: SuiteDataset, split: string): AsyncGenerator<SuiteLine>;
}

/** Opens a suite's folder. @throws FormatError for one that is none */
export const openSuiteRows = async (directory: string): Promise<SuiteRows> => {
  const suite = await readSuite(directory);
  const tokenizer = await loadTokenizer(join(directory, 'tokenizer.json'));
  async function* rows<T>(
    dataset: SuiteDataset,
    split: string,
    toRow: (batch: RecordBatch, row: number) => T,
  ): AsyncGenerator<T> {
    const shards = await openShards(splitFolder(directory, dataset, split));
    try {
      for await (const batch of shards.batches()) {
        for (let row = 0; row < batch.numRows; row += 1) yield toRow(batch, row);
      }
    } finally {
      await shards.close();
    }
  }
  const columns = async (dataset: SuiteDataset): Promise<readonly string[]> => {
    const [split] = Object.keys(dataset.splits);
    if (split === undefined) return [];
    const shards = await openShards(splitFolder(directory, dataset, split));
    await shards.close();
    return shards.schema.fields.map(({ name }) => name);
  };
  return {
    suite,
    tokenizer,
    rows,
    columns,
    async *lines(dataset, split) {
      let source = '';
      let rest = '';
      const withSource = (await columns(dataset)).includes('source');
      const packed = rows(dataset, split, (batch, row) => ({
        source: withSource ? textRow(batch, 'source', row) : '',
        text: tokenizer.decode(Array.from(listRow(batch, 'tokens', row), Number)),
      }));
      for await (const next of packed) {
        if (next.source !== source && rest !== '') yield { source, line: rest };
        rest = next.source === source ? rest : '';
        source = next.source;
        const lines = `${rest}${next.text}`.split(LINE_END);
        rest = lines.pop() ?? '';
        for (const line of lines) yield { source, line: line.trim() };
      }
      if (rest !== '') yield { source, line: rest.trim() };
    },
  };
};
