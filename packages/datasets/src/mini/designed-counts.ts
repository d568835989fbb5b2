/**
 * Rows and baselines that the full mini suite was designed with, as they were counted in its packages by other programs
 * before it was made: what a prepared suite is compared with. Where it differs on purpose, `why` says so.
 */
import type { Suite } from '../suite/suite.ts';

/** A number that was counted beforehand. */
export interface DesignedCount {
  readonly dataset: string;
  /** Splits that are counted together. */
  readonly splits: readonly string[];
  readonly rows: number;
  readonly why?: string;
}

/** A baseline that was measured beforehand. */
export interface DesignedBaseline {
  readonly dataset: string;
  readonly split: string;
  readonly baseline: string;
  readonly value: number;
  readonly why?: string;
}

const train = ['train', 'validation'] as const;
const held = ['test'] as const;
const splitOfLemmas =
  'a synset with any held-out lemma is held out, and what training would share with one is left out; by the first lemma alone training has more';

const designedCounts: readonly DesignedCount[] = [
  {
    dataset: 'emoji-group',
    splits: train,
    rows: 7271,
    why: 'genders of one concept are on one side, so other concepts are held out',
  },
  {
    dataset: 'emoji-group',
    splits: ['unseen-concepts'],
    rows: 1313,
    why: 'genders of one concept are on one side, so other concepts are held out',
  },
  {
    dataset: 'clip-art',
    splits: train,
    rows: 1939,
    why: 'another list of what counts as a title in English',
  },
  {
    dataset: 'clip-art',
    splits: ['unseen-series'],
    rows: 323,
    why: 'another list of what counts as a title in English',
  },
  {
    dataset: 'clip-art-category',
    splits: train,
    rows: 2002,
    why: 'buttons, smileys and card decks are left out of all categories',
  },
  {
    dataset: 'clip-art-category',
    splits: ['unseen-series'],
    rows: 344,
    why: 'buttons, smileys and card decks are left out of all categories',
  },
  { dataset: 'mnist', splits: train, rows: 60_000 },
  { dataset: 'mnist', splits: held, rows: 10_000 },
  {
    dataset: 'fashion',
    splits: [...train, ...held],
    rows: 69_946,
  },
  {
    dataset: 'sprite-action',
    splits: ['unseen-units'],
    rows: 272,
    why: 'a shot and a cast of the same frames are one clip',
  },
  { dataset: 'word-in-context', splits: train, rows: 11_060, why: splitOfLemmas },
  { dataset: 'word-in-context', splits: held, rows: 1152 },
  { dataset: 'supersense-noun', splits: train, rows: 24_592, why: splitOfLemmas },
  { dataset: 'supersense-noun', splits: held, rows: 8290, why: splitOfLemmas },
  { dataset: 'supersense-verb', splits: train, rows: 12_319, why: splitOfLemmas },
  { dataset: 'supersense-verb', splits: held, rows: 1448, why: splitOfLemmas },
  { dataset: 'definition-match', splits: train, rows: 20_000 },
  { dataset: 'definition-match', splits: held, rows: 2000 },
  { dataset: 'substitution-inference', splits: train, rows: 9000 },
  { dataset: 'substitution-inference', splits: held, rows: 900 },
  { dataset: 'verse-pairs', splits: train, rows: 12_000 },
  { dataset: 'verse-pairs', splits: held, rows: 1500 },
  {
    dataset: 'fortune-topic',
    splits: train,
    rows: 6876,
    why: 'other files, and near-copies of fortunes are left out',
  },
  {
    dataset: 'fortune-topic',
    splits: held,
    rows: 1718,
    why: 'other files, and near-copies of fortunes are left out',
  },
  { dataset: 'spam', splits: train, rows: 4461, why: 'mails without four words in a row are left out' },
  { dataset: 'spam', splits: held, rows: 1059, why: 'mails without four words in a row are left out' },
];

const designedBaselines: readonly DesignedBaseline[] = [
  { dataset: 'emoji-group', split: 'unseen-concepts', baseline: 'majority', value: 0.178 },
  {
    dataset: 'emoji-group',
    split: 'unseen-concepts',
    baseline: 'pixelNearestNeighbour',
    value: 0.449,
    why: 'measured with eight vendors',
  },
  { dataset: 'clip-art-category', split: 'unseen-series', baseline: 'majority', value: 0.17 },
  {
    dataset: 'sprite-action',
    split: 'unseen-units',
    baseline: 'majority',
    value: 0.29,
    why: 'avatars train, too, whose actions are equally frequent',
  },
  {
    dataset: 'sprite-action',
    split: 'unseen-units',
    baseline: 'pixelNearestNeighbour',
    value: 0.234,
    why: 'measured on eight actions and without avatars, whose bodies are like some of the units',
  },
  {
    dataset: 'sprite-direction',
    split: 'unseen-units',
    baseline: 'pixelNearestNeighbour',
    value: 0.175,
    why: 'measured without avatars, whose bodies are like some of the units',
  },
  { dataset: 'supersense-noun', split: 'test', baseline: 'majority', value: 0.139 },
  { dataset: 'supersense-noun', split: 'test', baseline: 'naiveBayes', value: 0.751 },
  { dataset: 'supersense-verb', split: 'test', baseline: 'majority', value: 0.16 },
  { dataset: 'supersense-verb', split: 'test', baseline: 'naiveBayes', value: 0.55 },
  {
    dataset: 'verse-pairs',
    split: 'test',
    baseline: 'wordOverlap',
    value: 0.861,
    why: 'wrong pairs of held-out books come of these four alone; among training pairs it is 0.861',
  },
  { dataset: 'fortune-topic', split: 'test', baseline: 'majority', value: 0.149 },
  {
    dataset: 'fortune-topic',
    split: 'test',
    baseline: 'naiveBayes',
    value: 0.568,
    why: 'measured with near-copies on both sides',
  },
  { dataset: 'spam', split: 'test', baseline: 'majority', value: 0.756 },
  { dataset: 'spam', split: 'test', baseline: 'naiveBayes', value: 0.982, why: 'measured on whole mails' },
];

/** A designed number beside that of a suite. */
export interface ComparedNumber {
  readonly what: string;
  readonly designed: number;
  readonly got: number;
  readonly why?: string;
}

/** The designed rows and baselines of the datasets that a suite has, beside its own. */
export const compareDesigned = (
  suite: Suite,
): { readonly counts: readonly ComparedNumber[]; readonly baselines: readonly ComparedNumber[] } => {
  const datasetOf = (name: string) => suite.datasets.find((each) => each.name === name);
  const counts = designedCounts.flatMap(({ dataset, splits, rows, why }) => {
    const designed = datasetOf(dataset);
    if (!designed) return [];
    const got = splits.reduce((sum, split) => sum + (designed.splits[split]?.rows ?? 0), 0);
    return [
      {
        what: `${dataset}: ${splits.join(' + ')}`,
        designed: rows,
        got,
        ...(why === undefined ? {} : { why }),
      },
    ];
  });
  const baselines = designedBaselines.flatMap(({ dataset, split, baseline, value, why }) => {
    const got = datasetOf(dataset)?.baselines?.[split]?.[baseline];
    return got === undefined
      ? []
      : [
          {
            what: `${dataset}/${split}: ${baseline}`,
            designed: value,
            got,
            ...(why === undefined ? {} : { why }),
          },
        ];
  });
  return { counts, baselines };
};
