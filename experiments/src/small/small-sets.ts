/**
 * Small sets of images, as people bring them: a few hundred samples in 8 to 24 classes. They are made of what the full mini
 * suite holds out, or drawn, so that a model that was pre-trained on the suite has seen none of their images.
 */
import { createRandom, type Random } from '@polygate/core';
import type { OpenSuite } from '@polygate/generalist';
import { fixedListRow, listRow, permute, textRow, values, type RecordBatch } from '@polygate/stream';
import { splitBatches } from '@polygate/tasks';
import { CHANNELS, drawShape, drawTile, shapes, SIDE } from './drawn-images.ts';

/** Images `[samples, SIDE, SIDE, CHANNELS]` with their labels. */
export interface LabelledImages {
  readonly images: readonly Uint8Array[];
  readonly labels: readonly number[];
}

export const smallSplits = ['train', 'validation', 'test'] as const;
export type SmallSplit = (typeof smallSplits)[number];

export interface MadeSet {
  readonly classes: readonly string[];
  readonly splits: Readonly<Record<SmallSplit, LabelledImages>>;
}

/** One of the sets. */
export interface SmallSet {
  /** Of its suite. */
  readonly name: string;
  /** Stands in tables. */
  readonly label: string;
  /** What its images are, for the document. */
  readonly what: string;
  /** Whether the mini generalist was trained on its classes, on other images. */
  readonly familiar: boolean;
  make(suite: OpenSuite): Promise<MadeSet>;
}

/** Decides all sets; runs of every seed learn from the same samples. */
const SEED = 15;

interface Drawn {
  readonly image: Uint8Array;
  readonly label: number;
  /** Samples of one group are in one split. */
  readonly group: string;
}

const imageOf = (batch: RecordBatch, row: number): Uint8Array =>
  Uint8Array.from(fixedListRow(batch, 'image', row) as Iterable<number>);

/** Samples of one or more held-out splits, in an order of ours. */
const readAll = async (
  suite: OpenSuite,
  { dataset, splits }: { readonly dataset: string; readonly splits: readonly string[] },
  samplesOf: (batch: RecordBatch, row: number) => readonly Drawn[],
): Promise<readonly Drawn[]> => {
  const samples: Drawn[] = [];
  for (const split of splits) {
    for await (const batch of splitBatches(await suite.shards(dataset, split), { limit: 3000, seed: SEED })) {
      for (let row = 0; row < batch.numRows; row += 1) samples.push(...samplesOf(batch, row));
    }
  }
  return samples;
};

const shuffled = <T>(items: readonly T[]): readonly T[] =>
  items.map((_, i) => items[permute(i, { seed: SEED, epoch: 0, size: items.length })] as T);

/** Groups go to the test split until it has its samples, then to validation, then to training. */
const dealt = (
  samples: readonly Drawn[],
  counts: Readonly<Record<SmallSplit, number>>,
): MadeSet['splits'] => {
  const byGroup = new Map<string, Drawn[]>();
  for (const sample of samples) {
    const group = byGroup.get(sample.group) ?? [];
    byGroup.set(sample.group, group);
    group.push(sample);
  }
  const left = shuffled([...byGroup.values()]);
  const taken: Record<SmallSplit, Drawn[]> = { train: [], validation: [], test: [] };
  for (const group of left) {
    const split = (['test', 'validation', 'train'] as const).find(
      (candidate) => taken[candidate].length < counts[candidate],
    );
    if (split) taken[split].push(...group);
  }
  const cut = (split: SmallSplit): LabelledImages => {
    const ownSamples = taken[split].slice(0, counts[split]);
    return { images: ownSamples.map(({ image }) => image), labels: ownSamples.map(({ label }) => label) };
  };
  return { train: cut('train'), validation: cut('validation'), test: cut('test') };
};

const classesOf = (suite: OpenSuite, dataset: string): readonly string[] =>
  suite.suite.datasets.find(({ name }) => name === dataset)?.classes ?? [];

/** Part of a labelled dataset of the suite. */
const partOf = (
  set: Omit<SmallSet, 'make'>,
  source: { readonly dataset: string; readonly split: string; readonly groupColumn: string },
  counts: Readonly<Record<SmallSplit, number>>,
): SmallSet => ({
  ...set,
  async make(suite) {
    const { dataset, split, groupColumn } = source;
    const samples = await readAll(suite, { dataset, splits: [split] }, (batch, row) => [
      {
        image: imageOf(batch, row),
        label: Number(values(batch, 'label')[row]),
        group: textRow(batch, groupColumn, row),
      },
    ]);
    return { classes: classesOf(suite, dataset), splits: dealt(samples, counts) };
  },
});

/** So many of each class, each drawn by a stream of its own. */
const drawnSet = (
  classes: readonly string[],
  counts: Readonly<Record<SmallSplit, number>>,
  draw: (label: number, random: Random) => Uint8Array,
): MadeSet => {
  const split = (name: SmallSplit): LabelledImages => {
    const labels = classes.flatMap((_, label) => new Array<number>(counts[name]).fill(label));
    const random = createRandom(SEED).fork(name);
    return { labels, images: labels.map((label, i) => draw(label, random.fork(i))) };
  };
  return { classes, splits: { train: split('train'), validation: split('validation'), test: split('test') } };
};

const poses: SmallSet = {
  name: 'poses',
  label: 'poses',
  what: 'which of 8 ways a figure of a game looks: two frames of each clip, outfits and weapons apart',
  familiar: true,
  async make(suite) {
    const classes = classesOf(suite, 'sprite-direction');
    const bytes = SIDE * SIDE * CHANNELS;
    const samples = await readAll(
      suite,
      { dataset: 'sprite-direction', splits: ['unseen-outfits'] },
      (batch, row) => {
        const frames = Uint8Array.from(listRow(batch, 'frames', row) as Iterable<number>);
        const count = Number(values(batch, 'frame_count')[row]);
        return [0, Math.floor(count / 2)].map((frame) => ({
          image: frames.slice(frame * bytes, (frame + 1) * bytes),
          label: Number(values(batch, 'label')[row]),
          group: textRow(batch, 'unit', row),
        }));
      },
    );
    return { classes, splits: dealt(samples, { train: 400, validation: 100, test: 320 }) };
  },
};

const tiles: SmallSet = {
  name: 'tiles',
  label: 'tiles',
  what: 'which of 24 line drawings a tile shows, in any two colours, moved by up to 3 pixels, with noise',
  familiar: false,
  async make(suite) {
    const motifs = await readAll(suite, { dataset: 'icons', splits: ['unseen-icons'] }, (batch, row) => [
      { image: imageOf(batch, row), label: 0, group: textRow(batch, 'base', row) },
    ]);
    const chosen = [...new Map(motifs.map((each) => [each.group, each])).values()].slice(0, 24);
    const classes = chosen.map(({ group }) => group.replaceAll('-', ' '));
    return drawnSet(classes, { train: 25, validation: 5, test: 15 }, (label, random) => {
      const motif = chosen[label]?.image;
      if (!motif) throw new RangeError(`internal: no motif ${label}`);
      return drawTile(motif, random);
    });
  },
};

/** All of them. */
export const smallSets: readonly SmallSet[] = [
  partOf(
    { name: 'digits', label: 'digits', what: 'handwritten digits (MNIST)', familiar: true },
    { dataset: 'mnist', split: 'test', groupColumn: 'id' },
    { train: 500, validation: 100, test: 500 },
  ),
  partOf(
    {
      name: 'clothes',
      label: 'clothes',
      what: 'photographs of clothes, grey (Fashion-MNIST)',
      familiar: true,
    },
    { dataset: 'fashion', split: 'test', groupColumn: 'id' },
    { train: 1000, validation: 200, test: 500 },
  ),
  partOf(
    {
      name: 'emoji',
      label: 'emoji',
      what: 'group of an emoji, of six vendors, concepts apart',
      familiar: true,
    },
    { dataset: 'emoji-group', split: 'unseen-concepts', groupColumn: 'concept' },
    { train: 600, validation: 120, test: 400 },
  ),
  poses,
  {
    name: 'shapes',
    label: 'shapes',
    what: 'which of 12 drawn shapes, anywhere, at any size and colour, turned by up to 25 degrees',
    familiar: false,
    make: () => {
      const classes = Object.keys(shapes);
      return Promise.resolve(
        drawnSet(classes, { train: 50, validation: 10, test: 30 }, (label, random) =>
          drawShape(classes[label] ?? '', random),
        ),
      );
    },
  },
  tiles,
];
