/** What the image sheet shows: held-out samples with what the model answers about them. */
import { ownValue } from '@polygate/core';
import { kindNamed, type SuiteDataset, type Thumbnails } from '@polygate/datasets';
import { scoringFamilies, servesFamily, type Generalist, type OpenSuite } from '@polygate/generalist';
import { permute, textRow, type RecordBatch } from '@polygate/stream';
import { taskFamilies, type SheetAnswer } from '@polygate/tasks';

/** The answer of one family about a sample. */
export interface SheetLine extends SheetAnswer {
  readonly label: string;
}

export interface SheetEntry {
  /** [height * width * 3] */
  readonly pixels: Uint8Array;
  readonly name: string;
  readonly lines: readonly SheetLine[];
}

export interface SheetSection {
  readonly title: string;
  readonly entries: readonly SheetEntry[];
}

export interface SheetOptions {
  /** Images of each split. */
  readonly count: number;
  readonly seed: number;
  /** @default all but `train` */
  readonly splits?: readonly string[];
  readonly datasets?: readonly string[];
}

/** Samples of a split of a dataset. */
interface ShownRows {
  readonly dataset: SuiteDataset;
  readonly batch: RecordBatch;
}

/** Names of the families that have answers about the samples of a dataset. */
const answeringFamilies = (model: Generalist, dataset: SuiteDataset): readonly string[] =>
  scoringFamilies(model, dataset).flatMap(({ name, sheet }) => (sheet ? [name] : []));

const chooseRows = (rowCount: number, count: number, seed: number): readonly number[] =>
  Array.from({ length: Math.min(count, rowCount) }, (_, i) => permute(i, { seed, epoch: 0, size: rowCount }));

const rowsOf = ({ splits }: SuiteDataset, split: string): number => ownValue(splits, split)?.rows ?? 0;

const idsOf = (batch: RecordBatch): string =>
  JSON.stringify(Array.from({ length: batch.numRows }, (_, row) => textRow(batch, 'id', row)));

/** The same samples in the other datasets that hold them: same split, same ids in the same rows. */
const twinsOf = async (
  data: OpenSuite,
  { dataset, batch }: ShownRows,
  at: { readonly split: string; readonly rows: readonly number[] },
): Promise<readonly ShownRows[]> => {
  const { split, rows } = at;
  const twins: ShownRows[] = [];
  for (const other of data.suite.datasets) {
    if (other === dataset || !kindNamed(other.kind).thumbnails) continue;
    if (rowsOf(other, split) !== rowsOf(dataset, split)) continue;
    const read = await (await data.shards(other.name, split)).read(rows);
    if (idsOf(read) === idsOf(batch)) twins.push({ dataset: other, batch: read });
  }
  return twins;
};

/** A section, and the datasets whose samples it shows. */
const sectionOf = async (
  model: Generalist,
  data: OpenSuite,
  at: {
    readonly dataset: SuiteDataset;
    readonly thumbnails: Thumbnails;
    readonly split: string;
    readonly options: SheetOptions;
  },
): Promise<{ readonly section: SheetSection; readonly shown: readonly SuiteDataset[] }> => {
  const { dataset, thumbnails, split, options } = at;
  const shards = await data.shards(dataset.name, split);
  const rows = chooseRows(shards.rowCount, options.count, options.seed);
  const batch = await shards.read(rows);
  const all: readonly ShownRows[] = [
    { dataset, batch },
    ...(await twinsOf(data, { dataset, batch }, { split, rows })),
  ];
  const lines: SheetLine[][] = rows.map(() => []);
  const shown = new Set([dataset]);
  for (const { name, sheet } of taskFamilies()) {
    const asked = all.find((each) => answeringFamilies(model, each.dataset).includes(name));
    if (!sheet || !asked || !servesFamily(model, name, { dataset: asked.dataset.name })) continue;
    shown.add(asked.dataset);
    const answers = await sheet.answers({ model, data, dataset: asked.dataset, split }, asked.batch);
    answers.forEach((answer, row) => lines[row]?.push({ label: sheet.label, ...answer }));
  }
  const entries = rows.map((_, row) => ({
    pixels: thumbnails.image(batch, row),
    name: thumbnails.title(batch, row, model.tokenizer),
    lines: lines[row] ?? [],
  }));
  return { section: { title: `${dataset.name}, ${split}`, entries }, shown: [...shown] };
};

/**
 * Sections of a sheet: random samples of each held-out split, chosen by the seed alone. Kinds of datasets that more
 * families answer about come first, and take in the datasets that hold the same samples: those are not repeated.
 */
export const sheetSections = async (
  model: Generalist,
  data: OpenSuite,
  options: SheetOptions,
): Promise<readonly SheetSection[]> => {
  const answering = (dataset: SuiteDataset): number => answeringFamilies(model, dataset).length;
  const wanted = ({ name, splits }: SuiteDataset): readonly string[] =>
    options.datasets && !options.datasets.includes(name)
      ? []
      : Object.entries(splits)
          .filter(([split, { rows }]) => rows > 0 && (options.splits?.includes(split) ?? split !== 'train'))
          .map(([split]) => split);
  const sections: SheetSection[] = [];
  const covered = new Set<string>();
  const keyOf = ({ name }: SuiteDataset, split: string): string => JSON.stringify([name, split]);
  for (const dataset of data.suite.datasets.toSorted((a, b) => answering(b) - answering(a))) {
    const { thumbnails } = kindNamed(dataset.kind);
    if (!thumbnails) continue;
    for (const split of wanted(dataset)) {
      if (covered.has(keyOf(dataset, split))) continue;
      const { section, shown } = await sectionOf(model, data, { dataset, thumbnails, split, options });
      for (const each of shown) covered.add(keyOf(each, split));
      sections.push(section);
    }
  }
  return sections;
};
