/** What the image sheet shows: held-out images with what the model says about them. */
import { ownValue } from '@polygate/core';
import { servesFamily, type Generalist, type OpenSuite } from '@polygate/generalist';
import { caption, classify, patchesOf, retrieveTexts, servingTask, type LabelChoice } from '@polygate/tasks';
import type { SuiteDataset } from '@polygate/datasets';
import { fixedListRow, nestedListRow, permute, textRow, values } from '@polygate/stream';

export interface SheetEntry {
  /** [height * width * 3] */
  readonly pixels: Uint8Array;
  /** First caption, or the id of an image without captions. */
  readonly name: string;
  readonly trueClass?: string;
  readonly predictedClass?: string;
  readonly caption?: string;
  /** The text of the split's gallery that the model finds nearest. */
  readonly nearestText?: string;
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

/** Most texts that an image is compared with. */
const MOST_TEXTS = 2000;

/** The labelled dataset that holds the same images: same split, same ids in the same rows. */
const twinLabels = async (
  data: OpenSuite,
  dataset: SuiteDataset,
  at: { readonly split: string; readonly rows: readonly number[]; readonly ids: readonly string[] },
): Promise<{ dataset: string; classes: readonly string[]; labels: readonly number[] } | undefined> => {
  for (const other of data.suite.datasets) {
    if (other.kind !== 'labelled-image' || !other.classes) continue;
    if (ownValue(other.splits, at.split)?.rows !== ownValue(dataset.splits, at.split)?.rows) continue;
    const batch = await (await data.shards(other.name, at.split)).read(at.rows);
    if (!at.ids.every((id, row) => textRow(batch, 'id', row) === id)) continue;
    return {
      dataset: other.name,
      classes: other.classes,
      labels: Array.from(values(batch, 'label'), Number),
    };
  }
  return undefined;
};

const chooseRows = (rowCount: number, count: number, seed: number): readonly number[] =>
  Array.from({ length: Math.min(count, rowCount) }, (_, i) => permute(i, { seed, epoch: 0, size: rowCount }));

const galleryOf = async (model: Generalist, data: OpenSuite, place: readonly [string, string]) => {
  const shards = await data.shards(...place);
  const texts = new Set<string>();
  for await (const batch of shards.batches()) {
    for (let row = 0; row < batch.numRows; row += 1) {
      for (const caption of nestedListRow(batch, 'captions', row)) {
        const text = model.tokenizer.decode(Array.from(caption, Number)).trim();
        if (text !== '' && texts.size < MOST_TEXTS) texts.add(text);
      }
    }
    if (texts.size >= MOST_TEXTS) break;
  }
  return [...texts];
};

/** The classes of a dataset as the task that was trained on it chooses among them. */
const labelsOf = (
  model: Generalist,
  { dataset, classes }: { readonly dataset: string; readonly classes: readonly string[] },
): LabelChoice => ({
  labels: classes,
  task: servingTask(model, 'image-classification', { dataset }),
});

const captionedSection = async (
  model: Generalist,
  data: OpenSuite,
  at: { readonly dataset: SuiteDataset; readonly split: string; readonly options: SheetOptions },
): Promise<SheetSection> => {
  const { dataset, split, options } = at;
  const shards = await data.shards(dataset.name, split);
  const rows = chooseRows(shards.rowCount, options.count, options.seed);
  const batch = await shards.read(rows);
  const images = rows.map((_, row) => Uint8Array.from(fixedListRow(batch, 'image', row)));
  const ids = rows.map((_, row) => textRow(batch, 'id', row));
  const patches = patchesOf(images, model.image);
  const serving = (family: string) => servingTask(model, family, { dataset: dataset.name });
  const serves = (family: string): boolean => servesFamily(model, family, { dataset: dataset.name });
  const captions = serves('image-captioning')
    ? await caption(model, patches, { task: serving('image-captioning') })
    : [];
  const gallery = await galleryOf(model, data, [dataset.name, split]);
  const nearest = serves('image-text-retrieval')
    ? await retrieveTexts(model, patches, { texts: gallery, task: serving('image-text-retrieval') })
    : [];
  const twin = serves('image-classification')
    ? await twinLabels(data, dataset, { split, rows, ids })
    : undefined;
  const predicted = twin ? await classify(model, patches, labelsOf(model, twin)) : undefined;
  const entries = images.map((pixels, i): SheetEntry => {
    const [first] = nestedListRow(batch, 'captions', i);
    return {
      pixels,
      name: first ? model.tokenizer.decode(Array.from(first, Number)).trim() : (ids[i] ?? ''),
      caption: captions[i]?.[0]?.text ?? '',
      nearestText: gallery[nearest[i] ?? -1] ?? '',
      ...(twin && predicted
        ? {
            trueClass: twin.classes[twin.labels[i] ?? -1] ?? '',
            predictedClass: predicted[i]?.[0]?.label ?? '',
          }
        : {}),
    };
  });
  return { title: `${dataset.name}, ${split}`, entries };
};

const labelledSection = async (
  model: Generalist,
  data: OpenSuite,
  at: { readonly dataset: SuiteDataset; readonly split: string; readonly options: SheetOptions },
): Promise<SheetSection> => {
  const { dataset, split, options } = at;
  const shards = await data.shards(dataset.name, split);
  const rows = chooseRows(shards.rowCount, options.count, options.seed);
  const batch = await shards.read(rows);
  const classes = dataset.classes ?? [];
  const images = rows.map((_, row) => Uint8Array.from(fixedListRow(batch, 'image', row)));
  const labels = values(batch, 'label');
  const predicted = servesFamily(model, 'image-classification', { dataset: dataset.name })
    ? await classify(
        model,
        patchesOf(images, model.image),
        labelsOf(model, { dataset: dataset.name, classes }),
      )
    : [];
  const entries = images.map((pixels, i): SheetEntry => ({
    pixels,
    name: textRow(batch, 'id', i),
    trueClass: classes[Number(labels[i])] ?? '',
    predictedClass: predicted[i]?.[0]?.label ?? '',
  }));
  return { title: `${dataset.name}, ${split}`, entries };
};

/**
 * Sections of a sheet: random images of each held-out split, chosen by the seed alone. Labelled images that a
 * captioned dataset shows too are not repeated.
 */
export const sheetSections = async (
  model: Generalist,
  data: OpenSuite,
  options: SheetOptions,
): Promise<readonly SheetSection[]> => {
  const sections: SheetSection[] = [];
  const covered = new Set<string>();
  const wanted = (dataset: SuiteDataset): readonly string[] =>
    options.datasets && !options.datasets.includes(dataset.name)
      ? []
      : Object.entries(dataset.splits)
          .filter(([split, { rows }]) => rows > 0 && (options.splits?.includes(split) ?? split !== 'train'))
          .map(([split]) => split);
  const keyOf = (dataset: SuiteDataset, split: string): string =>
    `${split}/${ownValue(dataset.splits, split)?.rows ?? 0}`;
  for (const dataset of data.suite.datasets.filter(({ kind }) => kind === 'captioned-image')) {
    for (const split of wanted(dataset)) {
      const section = await captionedSection(model, data, { dataset, split, options });
      if (section.entries.some(({ trueClass }) => trueClass !== undefined))
        covered.add(keyOf(dataset, split));
      sections.push(section);
    }
  }
  for (const dataset of data.suite.datasets.filter(({ kind }) => kind === 'labelled-image')) {
    for (const split of wanted(dataset)) {
      if (covered.has(keyOf(dataset, split))) continue;
      sections.push(await labelledSection(model, data, { dataset, split, options }));
    }
  }
  return sections;
};
