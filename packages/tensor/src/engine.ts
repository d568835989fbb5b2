/** Choosing the engine: the first of the ladder that loads and answers known questions, and one line that says which and why. */
import { ConfigError, EngineError, unknownName, type Logger } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { EngineLoader } from './engine-loader.ts';
import { engineLoaders, engineNames } from './engine-loaders.ts';
import type { EngineName, Precision } from './engine-names.ts';
import {
  examineLoader,
  speedsOf,
  startEngine,
  type EngineExamination,
  type EngineSpeeds,
  type RunningEngine,
} from './engine-start.ts';
import { describeWrong } from './trust/ask.ts';
import type { EngineAnswers } from './trust/examine.ts';
import { hasFaults } from './trust/faults.ts';

/** What to look for. */
export interface EngineOptions {
  /** `auto` takes the first of the ladder that works. @default 'auto' */
  readonly engine?: EngineName | 'auto';
  /** `cpu`, `cuda` or `cuda:N`. Engines that cannot reach it are passed over. @default 'cpu' */
  readonly device?: string;
  /**
   * Storage of products and activations; with engine `auto`, engines without bf16 compute in f32. `auto` takes the one that
   * trains faster on this processor, measured once. @default 'f32'
   */
  readonly precision?: Precision | 'auto';
  /** Whether an engine asked for by name that lacks the precision is refused; otherwise it computes in f32. @default true */
  readonly precisionRequired?: boolean;
  /** Threads of the engine, where it lets them be set. @default the engine's own */
  readonly threads?: number;
  /** Ask for equal bits in two runs, where the engine makes that a choice. @default false */
  readonly deterministic?: boolean;
  /** When known questions are asked: once for an engine, processor and build, or `always`. @default 'once' */
  readonly ask?: 'once' | 'always';
  /** Receives the one line. */
  readonly logger?: Logger;
}

/** How {@link examineEngine} looks at an engine. */
export interface ExamineOptions extends Pick<EngineOptions, 'device' | 'threads'> {
  /** Time engines that have a choice of precisions. @default true */
  readonly speed?: boolean;
}

/** An engine that was better placed on the ladder and not taken. */
export interface PassedOver {
  readonly name: EngineName;
  readonly why: string;
  readonly remedy: string;
}

/** The engine in use. */
export interface EngineChoice {
  readonly name: EngineName;
  readonly device: string;
  readonly precision: Precision;
  /** Whether two equal runs on this engine and machine give equal bits. */
  readonly deterministic: boolean;
  readonly reason: string;
  readonly passedOver: readonly PassedOver[];
  /** What it answered to known questions, and the other ways of computing that are in use because of them. */
  readonly answers: EngineAnswers;
  /** Where precision `auto` had a choice: how fast each trains. */
  readonly speeds?: EngineSpeeds;
  /** All of it in one line for people. */
  readonly line: string;
}

/** One engine as `doctor` shows it. */
export interface EngineReport {
  readonly name: EngineName;
  readonly available: boolean;
  readonly version?: string;
  readonly description?: string;
  readonly why?: string;
  readonly remedy?: string;
}

const failureOf = (name: EngineName, cause: unknown): PassedOver => {
  const remedy = cause instanceof EngineError ? cause.fields['remedy'] : undefined;
  const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? cause.message) : String(cause);
  return { name, why, remedy: typeof remedy === 'string' ? remedy : '' };
};

const devicePattern = /^(cpu|cuda(:\d+)?)$/u;

const checkOptions = ({
  engine = 'auto',
  device = 'cpu',
  precision = 'f32',
  threads,
}: EngineOptions): void => {
  if (engine !== 'auto' && !engineNames.includes(engine))
    throw unknownName('engine', engine, ['auto', ...engineNames]);
  if (!devicePattern.test(device)) {
    throw new ConfigError(`device: expected cpu, cuda or cuda:N, got "${device}"`, {
      fields: { got: device },
    });
  }
  if (precision !== 'f32' && precision !== 'bf16' && precision !== 'auto')
    throw unknownName('precision', precision, ['f32', 'bf16', 'auto']);
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new ConfigError(`threads: expected a whole number above 0, got ${threads}`, {
      fields: { got: threads },
    });
  }
};

/** Refuses what a loader cannot serve at all. @throws EngineError */
const expectServed = (loader: EngineLoader, device: string, precision: Precision | 'auto'): void => {
  if (!loader.devices.includes(device.split(':')[0] ?? device)) {
    const remedy = loader.devices.includes('cpu') ? 'use --device cpu for it' : 'use --device cuda for it';
    throw new EngineError(`it has no device ${device}`, { fields: { remedy } });
  }
  if (precision !== 'auto' && !loader.precisions.includes(precision)) {
    throw new EngineError(`it has no ${precision}`, {
      fields: { remedy: `use --precision ${loader.precisions.join(' or ')} for it` },
    });
  }
};

const listOf = (passedOver: readonly PassedOver[]): string =>
  passedOver.map(({ name, why, remedy }) => `${name}: ${why}${remedy ? ` (${remedy})` : ''}`).join('; ');

const lineOf = (
  choice: Omit<EngineChoice, 'line'>,
  { description, workarounds = [] }: RunningEngine,
): string => {
  const { answers, passedOver } = choice;
  const passed = passedOver.length > 0 ? `; passed over ${listOf(passedOver)}` : '';
  const quiet = workarounds.filter((workaround) => workaround.quiet).map(({ name }) => name);
  const told = answers.workarounds.filter((name) => !quiet.includes(name));
  const families = workarounds.filter(({ name }) => told.includes(name)).flatMap(({ repairs }) => repairs);
  const [first, ...more] = answers.found.filter(({ family }) => families.includes(family));
  const because = first
    ? `: ${describeWrong(first)}${more.length > 0 ? `, and ${more.length} more` : ''}`
    : '';
  const otherwise = told.length > 0 ? `; with ${told.join('; ')}${because}` : '';
  return `engine ${choice.name} on ${choice.device}, ${choice.precision} (${description}), ${choice.reason}${otherwise}${passed}`;
};

/** A precision to try, and why it is the one. */
interface Attempt {
  readonly precision: Precision;
  readonly reason: string;
  readonly speeds?: EngineSpeeds;
}

const attemptsWith = async (
  loader: EngineLoader,
  device: string,
  options: EngineOptions,
): Promise<Attempt[]> => {
  const { engine = 'auto', precision = 'f32', precisionRequired = true } = options;
  const first = engine === 'auto' ? 'first of the ladder that works' : 'as asked';
  if (precision === 'auto') {
    if (loader.precisions.length === 1) return [{ precision: loader.precisions[0] ?? 'f32', reason: first }];
    const speeds = await speedsOf(loader, { ...options, device });
    const [best = 'f32', other = 'f32'] = speeds.order;
    const times = ((speeds.gigaflops[best] ?? 0) / (speeds.gigaflops[other] ?? Infinity)).toFixed(1);
    const faster =
      speeds.order.length > 1 ? `${first}; ${best} trains ${times} times as fast as ${other}` : first;
    return [{ precision: best, reason: faster, speeds }];
  }
  if (engine !== 'auto' && precisionRequired) return [{ precision, reason: first }];
  if (!loader.precisions.includes(precision)) {
    return [{ precision: 'f32', reason: `${first}; ${precision} needs torch` }];
  }
  const attempts: Attempt[] = [{ precision, reason: first }];
  if (precision !== 'f32') attempts.push({ precision: 'f32', reason: `${first}; its ${precision} does not` });
  return attempts;
};

/**
 * Makes an engine the current tfjs backend and registers the gradients that tfjs lacks. Before that it answers known
 * questions, forward and backward of each family of kernels: where it is wrong it computes in another way, or it is not
 * taken.
 * @throws ConfigError for an unknown engine, device or precision; EngineError with remedy when the engine asked for is
 * missing or (code `engine-wrong`) computes wrongly, or when none can serve the device
 */
export const selectEngine = async (options: EngineOptions = {}): Promise<EngineChoice> => {
  checkOptions(options);
  if (hasFaults()) options.logger?.warn('POLYGATE_TEST_FAULTS is set: kernels are wrong on purpose');
  const { engine = 'auto', device, precision = 'f32', precisionRequired = true } = options;
  const before = tf.engine().backendName;
  const passedOver: PassedOver[] = [];
  for (const loader of engineLoaders) {
    if (engine !== 'auto' && loader.name !== engine) continue;
    const wanted = device ?? loader.devices[0] ?? 'cpu';
    try {
      expectServed(loader, wanted, engine === 'auto' || !precisionRequired ? 'auto' : precision);
      const attempts = await attemptsWith(loader, wanted, options);
      for (const [at, attempt] of attempts.entries()) {
        try {
          const running = await startEngine(loader, {
            ...options,
            device: wanted,
            precision: attempt.precision,
          });
          const choice = {
            name: loader.name,
            device: running.device,
            precision: running.precision,
            deterministic: running.deterministic,
            reason: attempt.reason,
            passedOver: Object.freeze([...passedOver]),
            answers: running.answers,
            ...(attempt.speeds ? { speeds: attempt.speeds } : {}),
          };
          const line = lineOf(choice, running);
          options.logger?.info(line);
          return Object.freeze({ ...choice, line });
        } catch (cause) {
          // A wrong product in bf16 is no reason to leave an engine that is right in f32.
          const wrong = cause instanceof EngineError && cause.code === 'engine-wrong';
          if (!wrong || at + 1 === attempts.length) throw cause;
          passedOver.push(failureOf(loader.name, cause));
        }
      }
    } catch (cause) {
      if (cause instanceof ConfigError) throw cause;
      const failure = failureOf(loader.name, cause);
      const remedy = failure.remedy || loader.remedy;
      if (before !== undefined && tf.engine().backendName !== before) await tf.setBackend(before);
      if (engine !== 'auto') {
        const wrong = cause instanceof EngineError && cause.code === 'engine-wrong';
        throw new EngineError(
          `engine ${engine}: expected it to start${wrong ? ' and to compute rightly' : ''}, got: ${failure.why}; ${remedy}`,
          {
            code: wrong ? 'engine-wrong' : 'engine-missing',
            fields: { ...(wrong ? cause.fields : {}), engine, remedy },
            cause,
          },
        );
      }
      passedOver.push({ ...failure, remedy });
    }
  }
  throw new EngineError(
    `engine auto: expected one engine to start on ${device ?? 'cpu'}, got none: ${listOf(passedOver)}`,
    {
      code: 'engine-missing',
      fields: { passedOver },
    },
  );
};

/** Which engines this machine has, tried one after the other; the current backend stays as it is. */
export const probeEngines = async (): Promise<EngineReport[]> => {
  const reports: EngineReport[] = [];
  for (const loader of engineLoaders) {
    try {
      const request = { device: loader.devices[0] ?? 'cpu', precision: 'f32', deterministic: false } as const;
      const loaded = await (loader.probe ? loader.probe() : loader.load(request));
      const version = loaded.version === undefined ? {} : { version: loaded.version };
      reports.push({ name: loader.name, available: true, description: loaded.description, ...version });
    } catch (cause) {
      const { why, remedy } = failureOf(loader.name, cause);
      reports.push({ name: loader.name, available: false, why, remedy: remedy || loader.remedy });
    }
  }
  return reports;
};

/**
 * Asks an engine of this machine all known questions in each precision, whatever was answered before, and times it.
 * @throws ConfigError for an unknown engine, EngineError when it does not start; wrong answers are no error
 */
export const examineEngine = async (
  name: EngineName,
  { device, threads, speed = true }: ExamineOptions = {},
): Promise<EngineExamination> => {
  const loader = engineLoaders.find((each) => each.name === name);
  if (!loader) throw unknownName('engine', name, engineNames);
  const wanted = device ?? loader.devices[0] ?? 'cpu';
  expectServed(loader, wanted, 'auto');
  const options = { device: wanted, ask: 'always', ...(threads === undefined ? {} : { threads }) } as const;
  return examineLoader(loader, options, speed && loader.precisions.length > 1);
};
