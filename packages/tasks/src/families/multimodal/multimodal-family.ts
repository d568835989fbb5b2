/** What the families of multimodal tasks share: their inputs, what is kept of them, and how splits and files are scored. */
import { createRandom, ownValue } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { RecordBatch } from '@polygate/stream';
import type { z } from 'zod';
import type { CandidateSet, TaskTokenizer } from '../../candidates.ts';
import { nameCandidates } from '../../candidates.ts';
import { groupsOf, type SplitContext } from '../../evaluation/context.ts';
import { scoredTask } from '../../evaluation/scored-task.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import type { TaskModel, TrainedTask } from '../../model.ts';
import { joinScores } from '../class-reports.ts';
import { LONGEST_NAME } from '../class-targets.ts';
import type { DescribedDataset, InputSources, SampleSize, SizeInput } from '../family.ts';
import type { Asked, FilePredictor, PredictOption } from '../predictor.ts';
import { maximumTokens } from '../settings.ts';
import { sampleSequences, tableScores } from './sample-files.ts';
import {
  inputReader,
  inputSettings,
  keptInputs,
  keptOf,
  LONGEST_TEXT,
  multimodalInputs,
  multimodalSegments,
  targetRow,
  type KeptInputs,
} from './task-inputs.ts';

/** Settings of a task that its inputs follow from. */
interface InputChoice {
  readonly inputs?: z.output<typeof inputSettings>;
  readonly maximumTokens?: number | undefined;
}

/** What a task keeps of its inputs. @throws ConfigError for inputs that the dataset does not have */
export const keptOfSettings = (
  { inputs, maximumTokens: longest }: InputChoice,
  dataset: DescribedDataset,
): KeptInputs => ({
  inputs: keptInputs(inputs, dataset),
  ...(longest === undefined ? {} : { maximumTokens: longest }),
});

/** How rows of a task become sequences. */
export const readerOf = (kept: KeptInputs, sources: InputSources): ReturnType<typeof inputReader> =>
  inputReader(multimodalInputs({ ...kept }, sources));

/** Names that a task is answered by, as candidates. */
export const namedTargets = (
  key: string,
  names: readonly string[],
  {
    kept,
    tokenizer,
    maximum = LONGEST_NAME,
  }: { readonly kept: KeptInputs; readonly tokenizer: TaskTokenizer; readonly maximum?: number },
): CandidateSet => nameCandidates(key, names, { tokenizer, row: targetRow(kept), maximum });

/** As many tokens as a row of text has, before a suite says more. */
const size = (_: unknown, { textLength, patches, imageValues }: SizeInput): SampleSize => ({
  positions: 1 + textLength + patches,
  values: imageValues,
});

/** Fields of the records of all of them. */
export const multimodalFields = {
  settings: { inputs: inputSettings, maximumTokens },
  segments: multimodalSegments,
  inputs: multimodalInputs,
  longestText: LONGEST_TEXT,
  size,
};

/** A split with the scores that a model gives its rows. */
export interface ScoredSplit<T> {
  /** [N * C] */
  readonly scores: Float32Array;
  /** What is asked of each row. */
  readonly asked: readonly T[];
  readonly groups: readonly string[];
  /** Begins the names of reports. */
  readonly name: string;
}

/**
 * Scores of the rows of a split.
 * @param options `names`: of the candidates; `asked`: what is asked of the rows of a batch
 */
export const scoreSplit = async <T>(
  context: SplitContext,
  family: string,
  { names, asked }: { readonly names: readonly string[]; asked(rows: RecordBatch): readonly T[] },
): Promise<ScoredSplit<T>> => {
  const { model, data, dataset, split, seed } = context;
  const { task, serving, name } = scoredTask(context, family);
  // What another dataset's task reads says nothing of these inputs.
  const isOwn =
    task !== undefined && task.dataset === dataset.name && keptOf(task.settings).inputs.length > 0;
  const kept = isOwn ? keptOf(task.settings) : keptOfSettings({}, dataset);
  const { tokenizer, image } = model;
  const read = readerOf(kept, { image, tokenizer });
  const targets = namedTargets(`${family}:${name}`, names, { kept, tokenizer }).whole();
  const scores: Float32Array[] = [];
  const all: T[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const inputs = read(rows, { random: createRandom(seed), training: false });
    scores.push(
      await model.scores({ inputs, queries: 'prefix', targets, temperature: family }, { task: serving }),
    );
    all.push(...asked(rows));
    groups.push(...groupsOf(rows));
  }
  return { scores: joinScores(scores), asked: all, groups, name };
};

/**
 * Scores of simple systems as the suite has them, of a metric, or of the only one; of a split that is not scored whole none
 * that look at its samples.
 */
export const suiteBaselines = (
  { dataset, split, limit }: Pick<SplitContext, 'dataset' | 'split' | 'limit'>,
  metric?: string,
): Readonly<Record<string, number>> => {
  const prefix = metric === undefined ? '' : `${metric}/`;
  const isWhole = (ownValue(dataset.splits, split)?.rows ?? 0) <= limit;
  const scores = Object.entries(ownValue(dataset.baselines ?? {}, split) ?? {}).flatMap(
    ([name, value]): [string, number][] =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
  );
  return Object.fromEntries(scores.filter(([name]) => isWhole || name === 'majority'));
};

/** What a verb asks of a model. */
export interface AskedTask {
  readonly names: readonly string[];
  readonly served: TrainedTask | undefined;
  readonly task: string | undefined;
}

/** Options of the verbs of all of them. */
const filesOption: PredictOption = {
  name: 'files',
  type: 'text',
  summary: 'folder of the files that samples name (default: that of the table or file that names them)',
};

/** A verb on samples: of files, JSON objects, and tables. */
export const samplePredictor = <Answer, Options extends object, Verb extends string>({
  family,
  asked,
  answers,
  options: others = [],
  ...facts
}: {
  readonly verb: Verb;
  readonly summary: string;
  readonly key: string;
  readonly family: string;
  readonly options?: readonly PredictOption[];
  /** The names that the model is asked about, and by which of its tasks. @throws StateError for a model of no such task */
  asked(model: TaskModel, options: Asked<Options>): AskedTask;
  /** What scores [C] of the names say. */
  answers(scores: Float32Array, asked: AskedTask): readonly Answer[];
  format(answers: readonly Answer[]): string;
}): FilePredictor<Answer, Options, Verb> => {
  type Call = Parameters<FilePredictor<Answer, Options, Verb>['predict']>[2];
  const opened = (model: TaskModel, options: Call) => {
    const wanted = asked(model, options);
    const { names, served, task } = wanted;
    const targets = namedTargets('labels', names, {
      kept: keptOf(served?.settings),
      tokenizer: model.tokenizer,
      maximum: model.maximumTokens,
    }).whole();
    const folder = options['files'] as string | undefined;
    return {
      samples: { model, served, reading: options.reading, folder },
      said: (scores: Float32Array) => answers(scores, wanted),
      score: (inputs: SequenceBatch): Promise<Float32Array> =>
        model.scores({ inputs, queries: 'prefix', targets, temperature: family }, { task }),
    };
  };
  return {
    ...facts,
    input: 'files',
    argument: 'sample',
    options: [...others, filesOption],
    async predict(model, path, options) {
      const { samples, said, score } = opened(model, options);
      return said(await score(await sampleSequences(path, samples)));
    },
    async *predictTable(model, table, options) {
      const { samples, said, score } = opened(model, options);
      for await (const each of tableScores(table, samples, score))
        yield 'reason' in each ? each : { row: each.row, answers: said(each.scores) };
    },
  };
};
