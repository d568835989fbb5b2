/**
 * The seven tasks of GLUE (Wang et al., 2019) whose tables are tabs alone, as they are given out: which files and columns
 * they have, and what their labels are called. Classes are in the order of Hugging Face's `datasets`.
 */
import { createRegistry, type NamedRecord } from '@polygate/core';

/** A column: by its name in the header line, or by its index where there is none. */
export type GlueColumn = string | number;

/** A file of a task. */
export interface GlueFile {
  readonly name: string;
  readonly split: string;
}

/** A task of GLUE. */
export interface GlueTask extends NamedRecord {
  /** One column for sentences, two for pairs. */
  readonly texts: readonly GlueColumn[];
  readonly label: GlueColumn;
  /** Whether the first line of its tables names the columns. */
  readonly header: boolean;
  /** Names of the folder that it is given out in. */
  readonly folders: readonly string[];
  /** Columns that no table but this task's has; without them its folder must be called so. */
  readonly signs?: readonly string[];
  readonly files: readonly GlueFile[];
  /** Files that are read where none of `files` is there: the same data before GLUE laid it out. */
  readonly originals?: readonly GlueFile[];
  /** Files whose rows have no labels. */
  readonly unlabelled: readonly string[];
  /** Values of the label column, in the order of the classes. */
  readonly labels: readonly string[];
  readonly classes: readonly string[];
}

const files: readonly GlueFile[] = [
  { name: 'train.tsv', split: 'train' },
  { name: 'dev.tsv', split: 'validation' },
];
const unlabelled = ['test.tsv'];
const entailment = ['entailment', 'not_entailment'];

const tasks: readonly GlueTask[] = [
  {
    name: 'cola',
    summary: 'whether a sentence is acceptable English',
    folders: ['CoLA'],
    texts: [3],
    label: 1,
    header: false,
    files,
    originals: [
      { name: 'in_domain_train.tsv', split: 'train' },
      { name: 'in_domain_dev.tsv', split: 'validation' },
      { name: 'out_of_domain_dev.tsv', split: 'validation-out-of-domain' },
    ],
    unlabelled,
    labels: ['0', '1'],
    classes: ['unacceptable', 'acceptable'],
  },
  {
    name: 'sst-2',
    summary: 'whether a sentence of a film review is negative or positive',
    folders: ['SST-2', 'SST2'],
    texts: ['sentence'],
    label: 'label',
    header: true,
    files,
    unlabelled,
    labels: ['0', '1'],
    classes: ['negative', 'positive'],
  },
  {
    name: 'mrpc',
    summary: 'whether two sentences of the news say the same',
    folders: ['MRPC'],
    signs: ['#1 ID', '#2 ID'],
    texts: ['#1 String', '#2 String'],
    label: 'Quality',
    header: true,
    files,
    originals: [
      { name: 'msr_paraphrase_train.txt', split: 'train' },
      { name: 'msr_paraphrase_test.txt', split: 'test' },
    ],
    unlabelled,
    labels: ['0', '1'],
    classes: ['not_equivalent', 'equivalent'],
  },
  {
    name: 'qqp',
    summary: 'whether two questions ask the same',
    folders: ['QQP'],
    signs: ['qid1', 'qid2'],
    texts: ['question1', 'question2'],
    label: 'is_duplicate',
    header: true,
    files,
    unlabelled,
    labels: ['0', '1'],
    classes: ['not_duplicate', 'duplicate'],
  },
  {
    name: 'qnli',
    summary: 'whether a sentence answers a question',
    folders: ['QNLI', 'QNLIv2'],
    texts: ['question', 'sentence'],
    label: 'label',
    header: true,
    files,
    unlabelled,
    labels: entailment,
    classes: entailment,
  },
  {
    name: 'rte',
    summary: 'whether a sentence follows from another one',
    folders: ['RTE'],
    texts: ['sentence1', 'sentence2'],
    label: 'label',
    header: true,
    files,
    unlabelled,
    labels: entailment,
    classes: entailment,
  },
  {
    name: 'mnli',
    summary: 'whether a sentence follows from another one, contradicts it, or neither',
    folders: ['MNLI'],
    signs: ['promptID', 'pairID', 'genre'],
    texts: ['sentence1', 'sentence2'],
    label: 'gold_label',
    header: true,
    files: [
      { name: 'train.tsv', split: 'train' },
      { name: 'dev_matched.tsv', split: 'validation-matched' },
      { name: 'dev_mismatched.tsv', split: 'validation-mismatched' },
    ],
    unlabelled: ['test_matched.tsv', 'test_mismatched.tsv', 'diagnostic.tsv'],
    labels: ['entailment', 'neutral', 'contradiction'],
    classes: ['entailment', 'neutral', 'contradiction'],
  },
];

const registry = createRegistry<GlueTask>('GLUE task', tasks);

/** The tasks of GLUE. */
export const glueTasks = registry.all;
/** The task of a name. @throws ConfigError listing the registered ones */
export const glueTaskNamed = registry.named;
