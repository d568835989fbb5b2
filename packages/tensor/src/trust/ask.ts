/** Asking the engine in use known questions, and what is wrong with its answers. */
import type { Precision } from '../engine-names.ts';
import * as tf from '@tensorflow/tfjs';
import type { Part, Question } from './question.ts';

/** Largest error that rounding explains, relative to the largest element: 24 bits of mantissa over some sums, or 8. */
const tolerances: Readonly<Record<Precision, number>> = { f32: 1e-4, bf16: 2e-2 };

/** A question that an engine answered wrongly. */
export interface WrongAnswer {
  readonly question: string;
  readonly family: string;
  /** The worst result, in words: `gradient to the image`. */
  readonly part: string;
  /** Its largest error as a share of the largest right element; null where that is not finite, or the engine threw. */
  readonly error: number | null;
  /** What the engine threw, its first line. */
  readonly thrown?: string;
}

/** How an engine is asked. */
export interface AskOptions {
  readonly precision: Precision;
  /** Layouts of images that the engine takes. */
  readonly layouts: readonly string[];
}

/** Largest difference as a share of the largest right element; NaN where the engine gives another size or NaN. */
const errorOf = ({ given, right }: Part): number => {
  const values = given.dataSync();
  if (values.length !== right.length) return Number.NaN;
  let greatest = 0;
  let worst = 0;
  for (let i = 0; i < right.length; i += 1) {
    const difference = Math.abs((values[i] as number) - (right[i] as number));
    if (!(difference <= worst)) worst = difference;
    if (Number.isNaN(difference)) return Number.NaN;
    greatest = Math.max(greatest, Math.abs(right[i] as number));
  }
  return worst / Math.max(greatest, Number.MIN_VALUE);
};

/** Whether the engine in use can be asked: a kernel that it lacks it refuses, and nobody is misled. */
const applies = ({ kernels = [], layout = 'NHWC' }: Question, { layouts }: AskOptions): boolean =>
  layouts.includes(layout) && kernels.every((name) => tf.getKernel(name, tf.getBackend()) !== undefined);

/** The worst of a question's parts, if it is worse than rounding explains. */
const wrongIn = (question: Question, precision: Precision): WrongAnswer | undefined => {
  const { name, family, exact = false, slack = 1 } = question;
  const tolerance = slack * tolerances[exact ? 'f32' : precision];
  let wrong: WrongAnswer | undefined;
  try {
    tf.tidy(() => {
      for (const part of question.ask()) {
        const error = errorOf(part);
        if (error <= tolerance || (wrong && (wrong.error === null || error <= wrong.error))) continue;
        wrong = { question: name, family, part: part.name, error: Number.isFinite(error) ? error : null };
      }
    });
  } catch (cause) {
    const thrown = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    return { question: name, family, part: 'result', error: null, thrown };
  }
  return wrong;
};

/**
 * Asks the engine in use, one question after the other.
 * @returns how many it could be asked, and the wrong answers in the questions' order
 */
export const askQuestions = (
  questions: readonly Question[],
  options: AskOptions,
): { readonly asked: number; readonly wrong: readonly WrongAnswer[] } => {
  const fitting = questions.filter((question) => applies(question, options));
  return {
    asked: fitting.length,
    wrong: fitting.flatMap((question) => wrongIn(question, options.precision) ?? []),
  };
};

/** A wrong answer for people: `convolution 3x3: gradient to the image is off by 1.6 of the largest value`. */
export const describeWrong = ({ question, part, error, thrown }: WrongAnswer): string => {
  if (thrown !== undefined) return `${question}: refused (${thrown})`;
  if (error === null) return `${question}: ${part} is not finite`;
  const share = error >= 0.1 ? `${(error * 100).toFixed(0)} %` : `${(error * 100).toPrecision(2)} %`;
  return `${question}: ${part} is off by ${share} of the largest value`;
};
