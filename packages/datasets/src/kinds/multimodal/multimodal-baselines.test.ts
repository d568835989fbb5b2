/** Simple systems on multimodal samples, against scikit-learn (test/fixtures/make_multimodal_baselines.py). */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch, writeShards, type ColumnInput, type StoredInput } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { datasetSchema } from '../../suite/schemas.ts';
import type { BaselineScores } from '../../suite/suite.ts';
import { kindNamed } from '../kind-registry.ts';
import { rowFeatures, scaleRows } from './row-features.ts';

type Rows = readonly (readonly (number | null)[])[];
interface Fixture {
  readonly train: number;
  readonly table: Rows;
  readonly series: Rows;
  readonly label: readonly number[];
  readonly flags: Rows;
  readonly targets: Rows;
  readonly scores: Readonly<Record<'classes' | 'labels' | 'numbers', BaselineScores>>;
}

const path = join(import.meta.dirname, '../../../test/fixtures/multimodal-baselines.json');
const data = JSON.parse(await readFile(path, 'utf8')) as Fixture;
const tokenizer = trainTokenizer(['a b c'], { vocabularySize: 270, lowercase: true });
const number = (name: string) => ({ name, kind: 'number' as const });
const inputs: Readonly<Record<string, StoredInput>> = {
  table: {
    modality: 'table',
    form: 'values',
    shape: [4],
    columns: [
      number('a'),
      number('b'),
      number('c'),
      { name: 'd', kind: 'category', values: ['x', 'y', 'z'] },
    ],
  },
  series: { modality: 'time-series', form: 'values', shape: [3, 2] },
};

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-multimodal-baselines-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const floats = (rows: Rows): Float32Array[] =>
  rows.map((row) => Float32Array.from(row, (value) => value ?? Number.NaN));

/** The baselines of a kind for columns of what is asked. */
const baselinesOf = async (
  kind: string,
  columnsOf: (from: number, to: number) => Readonly<Record<string, ColumnInput>>,
  { classes, settings = {} }: { readonly classes?: readonly string[]; readonly settings?: object },
): Promise<BaselineScores | undefined> => {
  const all = { ...settings, inputs };
  const named = classes ? { classes } : {};
  const schema = datasetSchema({ kind, imageSize: 4, settings: all, tokenizer: tokenizer.hash, ...named });
  const splits: Record<string, { rows: number }> = {};
  for (const [split, from, to] of [
    ['train', 0, data.train],
    ['test', data.train, data.label.length],
  ] as const) {
    splits[split] = { rows: to - from };
    const columns = {
      id: data.label.slice(from, to).map((_, i) => `${i}`),
      table: floats(data.table.slice(from, to)) as never,
      // What a row lacks is an empty list.
      series: floats(data.series.slice(from, to)).map((row) =>
        row.every(Number.isNaN) ? new Float32Array(0) : row,
      ) as never,
      missing: new Uint8Array((to - from) * 2),
      ...columnsOf(from, to),
    };
    const batches = (async function* () {
      yield await Promise.resolve(buildBatch(schema, columns));
    })();
    await writeShards(join(root, kind, split), schema, batches);
  }
  const dataset = { name: kind, kind, settings: all, splits, ...named };
  const measured = await kindNamed(kind).baselines?.({ directory: root, dataset, imageSize: 4, tokenizer });
  return measured?.baselines?.['test'];
};

const expectClose = (actual: BaselineScores | undefined, wanted: BaselineScores): void => {
  for (const [name, value] of Object.entries(wanted)) expect(actual?.[name], name).toBeCloseTo(value, 5);
};

describe('baselines of multimodal samples', () => {
  it('of classes are those of scikit-learn, beside chance and majority', async () => {
    const label = (from: number, to: number) => ({ label: data.label.slice(from, to) });
    const scores = await baselinesOf('multimodal-classes', label, { classes: ['0', '1', '2'] });
    expect(Object.keys(scores ?? {}).sort()).toEqual(['chance', 'majority', 'nearestNeighbour', 'ridge']);
    expectClose(scores, data.scores.classes);
  });

  it('of several labels are those of scikit-learn', async () => {
    const labels = (from: number, to: number) => ({
      labels: data.flags
        .slice(from, to)
        .map((row) => Int32Array.from([0, 1].filter((at) => row[at] === 1))) as never,
    });
    const scores = await baselinesOf('multimodal-labels', labels, { classes: ['up', 'high'] });
    expectClose(scores, data.scores.labels);
    // Of 40 training rows, less than half have the second label.
    const majority = data.flags.slice(0, data.train).filter((row) => row[1] === 1).length / data.train;
    expect(majority).toBeLessThan(0.5);
    expect(scores?.['label accuracy/majority']).toBeGreaterThan(0.5);
  });

  it('of numbers are those of scikit-learn, in the units of the data', async () => {
    const targets = (from: number, to: number) => ({
      targets: Float32Array.from(data.targets.slice(from, to).flat(), Number),
    });
    const settings = { outputs: ['up', 'down'] };
    expectClose(await baselinesOf('multimodal-numbers', targets, { settings }), data.scores.numbers);
  });

  it('average long arrays in stretches, and leave out columns that find no room', () => {
    const values = Array.from({ length: 2000 }, (_, i) => ({ name: `${i}`, kind: 'number' as const }));
    const features = rowFeatures({
      sound: { modality: 'audio', form: 'audio', shape: [null, 2] },
      wide: { modality: 'table', form: 'values', columns: values },
      text: { modality: 'text', form: 'text' },
    });
    // Eight stretches of two bands, and half of 512.
    expect(features?.width).toBe(16 + 256);
    const long = rowFeatures({ depth: { modality: 'depth', form: 'values', shape: [2048] } });
    expect(long?.width).toBe(512);
    expect(rowFeatures({ text: { modality: 'text', form: 'text' } })).toBeUndefined();
    const rows = Float64Array.of(1, 5, Number.NaN, 5, 3, 5);
    const scale = scaleRows(rows, 2);
    // Mean 2 of 1 and 3, a gap at the mean: deviation sqrt(2/3).
    expect([...rows]).toEqual(
      [-Math.sqrt(1.5), 0, 0, 0, Math.sqrt(1.5), 0].map((each) => expect.closeTo(each, 12) as number),
    );
    const other = Float64Array.of(Number.NaN, 9);
    scale(other);
    expect([...other]).toEqual([0, 0]);
  });
});
