/**
 * Cloze forms of published tasks by name: a pattern, a word for each class, and the scores that the task is known by
 * (Uni-Perceiver-MoE, section 4.5; patterns, words and lengths of GLUE are those of the published code).
 */
import { ConfigError, createRegistry, type NamedRecord } from '@polygate/core';

/** A score of a classification of texts. */
export type TextScore = 'accuracy' | 'F1' | 'Matthews';

/** The cloze form of a task. */
export interface ClozePreset extends NamedRecord {
  /** See `cloze.ts`. */
  readonly pattern: string;
  /** Words by class, in the order of the classes. */
  readonly words: Readonly<Record<string, string>>;
  /** Scores that it is known by, the one to look at first in front. F1 is that of the last of two classes. */
  readonly scores: readonly TextScore[];
}

const entailment = { entailment: 'yes', not_entailment: 'no' };

const glue: readonly ClozePreset[] = [
  {
    name: 'sst-2',
    summary: 'whether a sentence of a film review is negative or positive (GLUE)',
    pattern: '{a}{end} It is ___ .',
    words: { negative: 'bad', positive: 'wonderful' },
    scores: ['accuracy'],
  },
  {
    name: 'cola',
    summary: 'whether a sentence is acceptable English (GLUE)',
    pattern: '{a} This is ___ .',
    words: { unacceptable: 'incorrect', acceptable: 'correct' },
    scores: ['Matthews', 'accuracy'],
  },
  {
    name: 'rte',
    summary: 'whether a sentence follows from another one (GLUE)',
    pattern: '{a-} ?{end} it is ___ , {b}',
    words: entailment,
    scores: ['accuracy'],
  },
  {
    name: 'mrpc',
    summary: 'whether two sentences of the news say the same (GLUE)',
    pattern: '{a-} . ___ , {b}',
    words: { not_equivalent: 'no', equivalent: 'yes' },
    scores: ['F1', 'accuracy'],
  },
  {
    name: 'qqp',
    summary: 'whether two questions ask the same (GLUE)',
    pattern: '{a-}{end} ___ , {b}',
    words: { not_duplicate: 'no', duplicate: 'yes' },
    scores: ['F1', 'accuracy'],
  },
  {
    name: 'qnli',
    summary: 'whether a sentence answers a question (GLUE)',
    pattern: '{a-}{end} it is ___ , {b}',
    words: entailment,
    scores: ['accuracy'],
  },
  {
    name: 'mnli',
    summary: 'whether a sentence follows from another one, contradicts it, or neither (GLUE)',
    pattern: '{a} ___ , {b}',
    words: { entailment: 'yes', neutral: 'maybe', contradiction: 'no' },
    scores: ['accuracy'],
  },
];

const registry = createRegistry<ClozePreset>('cloze preset', glue);

/** Makes a cloze form known under its name. @throws ConfigError for a name that is taken */
export const registerClozePreset = registry.register;
/** The cloze form of a name. @throws ConfigError listing the registered ones */
export const clozePresetNamed = registry.named;
/** Names of all cloze forms, those of this package first. */
export const clozePresetNames = registry.names;

/** What a task says of its cloze form. */
export interface ClozeChoice {
  readonly preset?: string | undefined;
  readonly pattern?: string | undefined;
  readonly words?: Readonly<Record<string, string>> | undefined;
}

/** A cloze form with the preset filled in; what is not said is left out. */
export interface ClozeForm {
  readonly pattern?: string;
  readonly words?: Readonly<Record<string, string>>;
  readonly scores?: readonly TextScore[];
}

/**
 * The cloze form of a task: its own pattern and words, over those of its preset, or of the one that its data is of.
 * @param dataset its settings may name a preset as `cloze`
 * @throws ConfigError for a preset that is not registered, or one of other classes
 */
export const clozeFormOf = (
  { preset, pattern, words }: ClozeChoice,
  dataset: {
    readonly name: string;
    readonly classes?: readonly string[];
    readonly settings?: Readonly<Record<string, unknown>>;
  },
): ClozeForm => {
  const ofData = dataset.settings?.['cloze'];
  const named = preset ?? (typeof ofData === 'string' && registry.has(ofData) ? ofData : undefined);
  const given = named === undefined ? undefined : registry.named(named);
  const { classes = [] } = dataset;
  const other = given && Object.keys(given.words).find((each) => !classes.includes(each));
  if (given && other !== undefined && !words) {
    throw new ConfigError(
      `preset "${given.name}": expected the classes ${Object.keys(given.words).join(', ')}, got ${classes.join(', ') || 'none'} of dataset ${dataset.name}; give words for its classes`,
      { code: 'cloze-preset', fields: { preset: given.name, classes } },
    );
  }
  const form = { pattern: pattern ?? given?.pattern, words: words ?? given?.words };
  return {
    ...(form.pattern === undefined ? {} : { pattern: form.pattern }),
    ...(form.words ? { words: form.words } : {}),
    ...(given ? { scores: given.scores } : {}),
  };
};
