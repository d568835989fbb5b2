/** Starting an engine of the ladder: loaded, current, and asked known questions; and how fast each of its precisions trains. */
import { readAnswer, writeAnswer } from '#engine-memory';
import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { EngineLoader, LoadedEngine } from './engine-loader.ts';
import type { Precision } from './engine-names.ts';
import { registerGradients } from './register-gradients.ts';
import { describeWrong } from './trust/ask.ts';
import type { EngineAnswers } from './trust/examine.ts';
import { hasFaults } from './trust/faults.ts';
import { trainingSpeed } from './trust/precision-speed.ts';
import { answerKey, answersOf } from './trust/trust.ts';

/** What an engine is started with. */
export interface StartOptions {
  readonly device: string;
  readonly threads?: number;
  readonly deterministic?: boolean;
  /** When known questions are asked. @default 'once' */
  readonly ask?: 'once' | 'always';
}

/** An engine that is current and answers rightly. */
export interface RunningEngine extends LoadedEngine {
  readonly answers: EngineAnswers;
}

/** How fast an engine trains in each of its precisions that it is right in. */
export interface EngineSpeeds {
  /** Billions of multiplications and additions a second, over a Transformer block forward and backward. */
  readonly gigaflops: Readonly<Partial<Record<Precision, number>>>;
  /** Precisions, the one to take first. */
  readonly order: readonly Precision[];
}

/** Answers that are still wrong listed in an error; more are counted. */
const LISTED = 2;

const wrongError = ({ precision }: LoadedEngine, answers: EngineAnswers): EngineError => {
  const { wrong, asked } = answers;
  const listed = wrong.slice(0, LISTED).map(describeWrong).join(', ');
  const more = wrong.length > LISTED ? `, and ${wrong.length - LISTED} more` : '';
  return new EngineError(
    `it answers ${wrong.length} of ${asked} known questions wrongly in ${precision}: ${listed}${more}`,
    {
      code: 'engine-wrong',
      fields: {
        precision,
        answers,
        remedy: 'take another engine, or another version of its library; `polygate doctor` lists the answers',
      },
    },
  );
};

const loadWith = (
  loader: EngineLoader,
  { device, precision, threads, deterministic = false }: StartOptions & { readonly precision: Precision },
): Promise<LoadedEngine> =>
  loader.load({ device, precision, deterministic, ...(threads === undefined ? {} : { threads }) });

/**
 * Makes an engine the current tfjs backend.
 * @throws EngineError when it does not start, with code `engine-wrong` when it answers known questions wrongly in all ways
 * of computing that it has
 */
export const startEngine = async (
  loader: EngineLoader,
  options: StartOptions & { readonly precision: Precision },
): Promise<RunningEngine> => {
  const loaded = await loadWith(loader, options);
  if (!(await tf.setBackend(loaded.backendName))) {
    throw new EngineError(`backend ${loaded.backendName} did not start`, {
      fields: { remedy: loader.remedy },
    });
  }
  await tf.ready();
  registerGradients();
  const answers = await answersOf(loaded, options.ask === 'always');
  if (answers.wrong.length > 0) throw wrongError(loaded, answers);
  return { ...loaded, answers };
};

/** How much faster a coarser precision must be to be worth its rounding. */
const WORTH = 1.1;

const orderOf = (gigaflops: EngineSpeeds['gigaflops']): Precision[] => {
  const right = (['f32', 'bf16'] as const).filter((precision) => gigaflops[precision] !== undefined);
  const coarse = (gigaflops.bf16 ?? 0) > WORTH * (gigaflops.f32 ?? 0);
  return coarse ? right.reverse() : right;
};

/** Speeds as the cache holds them; undefined for anything else. */
const speedsIn = (value: unknown, precisions: readonly Precision[]): EngineSpeeds | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value);
  const fits = entries.every(
    ([name, speed]) => precisions.some((each) => each === name) && typeof speed === 'number' && speed > 0,
  );
  const gigaflops = Object.fromEntries(entries) as EngineSpeeds['gigaflops'];
  return fits && entries.length > 0 ? { gigaflops, order: orderOf(gigaflops) } : undefined;
};

/** What an engine answers and how fast it trains in each of its precisions. */
export interface EngineExamination {
  readonly answers: Readonly<Partial<Record<Precision, EngineAnswers>>>;
  /** Of the precisions that it is right in. */
  readonly speeds: EngineSpeeds;
}

/**
 * Starts an engine in each of its precisions and asks it; where `measured` says so, also times it. Its tensors are gone.
 * @throws EngineError when it does not start; wrong answers are no error
 */
export const examineLoader = async (
  loader: EngineLoader,
  options: StartOptions,
  measured: boolean,
): Promise<EngineExamination> => {
  const answers: Partial<Record<Precision, EngineAnswers>> = {};
  const gigaflops: Partial<Record<Precision, number>> = {};
  for (const precision of loader.precisions) {
    try {
      const running = await startEngine(loader, { ...options, precision });
      answers[precision] = running.answers;
      if (measured) gigaflops[precision] = await trainingSpeed();
    } catch (cause) {
      if (!(cause instanceof EngineError) || cause.code !== 'engine-wrong') throw cause;
      answers[precision] = cause.fields['answers'] as EngineAnswers;
    }
  }
  return { answers, speeds: { gigaflops, order: orderOf(gigaflops) } };
};

/** Speeds that this process knows, by what was asked for: known ones disturb no engine that runs. */
const rememberedSpeeds = new Map<string, EngineSpeeds>();

/**
 * How fast an engine trains in each of its precisions, measured once for a processor and a build, and remembered. Where it
 * has to measure, the engine starts anew: its tensors are gone.
 * @throws EngineError when it does not start, or (code `engine-wrong`) is wrong in all precisions
 */
export const speedsOf = async (loader: EngineLoader, options: StartOptions): Promise<EngineSpeeds> => {
  const { device, threads, deterministic, ask = 'once' } = options;
  const asked = JSON.stringify([loader.name, device, threads, deterministic]);
  const remembered = rememberedSpeeds.get(asked);
  if (remembered && ask === 'once') return remembered;
  const [first = 'f32'] = loader.precisions;
  const loaded = await loadWith(loader, { ...options, precision: first });
  const key = answerKey(loaded, 'training speeds');
  const stored =
    ask === 'always' || hasFaults() ? undefined : speedsIn(await readAnswer(key), loader.precisions);
  const speeds = stored ?? (await examineLoader(loader, options, true)).speeds;
  // Wrong in all: starting it says what is wrong.
  if (speeds.order.length === 0) await startEngine(loader, { ...options, precision: first });
  rememberedSpeeds.set(asked, speeds);
  if (!stored && !hasFaults()) await writeAnswer(key, speeds.gigaflops);
  return speeds;
};
