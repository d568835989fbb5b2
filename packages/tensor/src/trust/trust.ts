/** The answers of an engine that has just started: those of the cache where nothing changed since, else new ones. */
import { machineKey, readAnswer, writeAnswer } from '#engine-memory';
import { sha256 } from '@polygate/core';
import type { Precision } from '../engine-names.ts';
import type { WrongAnswer } from './ask.ts';
import { examine, type EngineAnswers, type Workaround } from './examine.ts';
import { applyFaults, hasFaults } from './faults.ts';
import { knownQuestions } from './questions.ts';

/** What an engine must tell to be asked. */
export interface StartedEngine {
  readonly backendName: string;
  readonly device: string;
  readonly precision: Precision;
  readonly version?: string;
  /** What its answers depend on beside the processor and the version. */
  readonly identity?: string;
  /** Layouts of images that it takes. @default NHWC alone */
  readonly layouts?: readonly string[];
  readonly workarounds?: readonly Workaround[];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isWrongAnswer = (value: unknown): value is WrongAnswer =>
  isRecord(value) &&
  ['question', 'family', 'part'].every((field) => typeof value[field] === 'string') &&
  (value['error'] === null || typeof value['error'] === 'number') &&
  (value['thrown'] === undefined || typeof value['thrown'] === 'string');

/** Answers as the cache holds them; undefined for anything else, and for ways that the engine no longer has. */
const answersIn = (value: unknown, workarounds: readonly Workaround[]): EngineAnswers | undefined => {
  if (!isRecord(value)) return undefined;
  const { asked, found, wrong, workarounds: names } = value;
  if (typeof asked !== 'number' || !Array.isArray(found) || !Array.isArray(wrong) || !Array.isArray(names))
    return undefined;
  if (![...found, ...wrong].every(isWrongAnswer)) return undefined;
  if (!names.every((name) => workarounds.some((earlier) => earlier.name === name))) return undefined;
  return {
    asked,
    found: found as WrongAnswer[],
    wrong: wrong as WrongAnswer[],
    workarounds: names as string[],
  };
};

/** Identifies what was asked, by whom and on what; `of` tells kinds of answers apart. */
export const answerKey = (engine: StartedEngine, of: string): string => {
  const { backendName, device, version = '', identity = '' } = engine;
  return sha256(JSON.stringify([of, backendName, device, version, identity, machineKey()]));
};

/** Answers of this process. */
const remembered = new Map<string, EngineAnswers>();

/**
 * Asks the engine in use the known questions, unless it, the processor and the code are those of an earlier time, and
 * leaves it with the other ways of computing that it needs.
 * @param again asks in any case
 */
export const answersOf = async (engine: StartedEngine, again = false): Promise<EngineAnswers> => {
  const { precision, layouts = ['NHWC'], workarounds = [], backendName } = engine;
  applyFaults(backendName);
  const key = answerKey(engine, `answers in ${precision}`);
  const earlier =
    again || hasFaults() ? undefined : (remembered.get(key) ?? answersIn(await readAnswer(key), workarounds));
  if (earlier) {
    remembered.set(key, earlier);
    for (const { name, use } of workarounds) if (earlier.workarounds.includes(name)) use(true);
    return earlier;
  }
  for (const { use } of workarounds) use(false);
  const answers = examine(knownQuestions, { precision, layouts }, workarounds);
  if (!hasFaults()) {
    remembered.set(key, answers);
    await writeAnswer(key, answers);
  }
  return answers;
};
