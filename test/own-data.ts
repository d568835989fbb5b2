/** A folder of somebody's own files, prepared through the command line, and the rows that come of them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { main, memoryTerminal } from 'polygate';
import { listRow, nestedListRow, openShards, textRow, values } from '@polygate/stream';
import { loadTokenizer } from '@polygate/tokens';
import { afterEach, beforeEach, expect } from 'vitest';

/** An image that no other number gives. */
export const image = (n: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="rgb(${n % 256},${(n * 7) % 256},9)"/></svg>`;

/** Settings of a source that draws no splits. */
export const none = { validationPercent: 0, testPercent: 0 };

export interface Row {
  readonly id: string;
  readonly label?: string;
  /** Captions, or the sentences of a labelled text. */
  readonly texts?: readonly string[];
}

export interface Prepared {
  readonly splits: Readonly<Record<string, readonly Row[]>>;
  readonly classes?: readonly string[];
  readonly overlaps?: readonly unknown[];
  readonly labelConflicts?: unknown;
  readonly quarantine: Readonly<Record<string, number>>;
  readonly log: readonly string[];
}

export const labels = (rows: readonly Row[] | undefined): (string | undefined)[] =>
  (rows ?? []).map(({ label }) => label);
export const ids = (rows: readonly Row[] | undefined): string[] => (rows ?? []).map(({ id }) => id);
export const texts = (rows: readonly Row[] | undefined): (readonly string[] | undefined)[] =>
  (rows ?? []).map((row) => row.texts);

/** The rows of a prepared suite's first dataset. */
export const readPrepared = async (directory: string, log: readonly string[] = []): Promise<Prepared> => {
  const suite = JSON.parse(await readFile(join(directory, 'suite.json'), 'utf8')) as {
    datasets: (Omit<Prepared, 'splits' | 'quarantine' | 'log'> & { name: string; splits: object })[];
    quarantine: Record<string, number>;
  };
  const [dataset] = suite.datasets;
  const tokenizer = await loadTokenizer(join(directory, 'tokenizer.json'));
  const decode = (tokens: ArrayLike<number | bigint>): string => tokenizer.decode(Array.from(tokens, Number));
  const splits: Record<string, Row[]> = {};
  for (const split of Object.keys(dataset?.splits ?? {})) {
    const rows: Row[] = [];
    const shards = await openShards(join(directory, dataset?.name ?? '', split));
    for await (const batch of shards.batches()) {
      const names = batch.schema.fields.map(({ name }) => name);
      const sentences = ['tokens', 'tokens_b'].filter((name) => names.includes(name));
      for (let row = 0; row < batch.numRows; row += 1) {
        const written = names.includes('captions')
          ? nestedListRow(batch, 'captions', row).map(decode)
          : sentences.map((name) => decode(listRow(batch, name, row)));
        rows.push({
          id: textRow(batch, 'id', row),
          ...(names.includes('label')
            ? { label: dataset?.classes?.[Number(values(batch, 'label')[row])] ?? '?' }
            : {}),
          ...(written.length > 0 ? { texts: written } : {}),
        });
      }
    }
    await shards.close();
    splits[split] = rows;
  }
  const { classes, overlaps, labelConflicts } = dataset ?? {};
  return {
    splits,
    ...(classes ? { classes } : {}),
    ...(overlaps ? { overlaps } : {}),
    ...(labelConflicts ? { labelConflicts } : {}),
    quarantine: suite.quarantine,
    log,
  };
};

export interface OwnData {
  /** The path of a name below the folder. */
  at(path: string): string;
  /** Writes a file, and the folders that it lies in. */
  put(path: string, content: string | Uint8Array): Promise<string>;
  /** Runs `prepare` on sources, with further arguments. */
  run(
    sources: object,
    ...more: string[]
  ): Promise<{ readonly code: number; readonly log: readonly string[] }>;
  /** Prepares sources of one dataset and reads its rows. */
  prepared(sources: object, ...more: string[]): Promise<Prepared>;
  /** The log of a preparation that must fail. */
  refused(sources: object, ...more: string[]): Promise<string>;
}

/** A fresh folder for each test of the file. */
export const useOwnData = (): OwnData => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'polygate-own-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const at = (path: string): string => join(root, path);
  const put: OwnData['put'] = async (path, content) => {
    const file = at(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    return file;
  };
  const run: OwnData['run'] = async (sources, ...more) => {
    const recipe = await put(
      'recipe.json',
      JSON.stringify({ name: 'own', image: { size: 8 }, baselines: false, sources }),
    );
    const terminal = memoryTerminal();
    const code = await main(['prepare', '--recipe', recipe, '--out', at('data'), ...more], terminal);
    return { code, log: terminal.log };
  };
  return {
    at,
    put,
    run,
    async prepared(sources, ...more) {
      const { code, log } = await run(sources, ...more);
      expect([code, code === 0 ? '' : log.join('\n')]).toEqual([0, '']);
      return readPrepared(at('data/own'), log);
    },
    async refused(sources, ...more) {
      const { code, log } = await run(sources, ...more);
      expect(code).not.toBe(0);
      return log.join('\n');
    },
  };
};
