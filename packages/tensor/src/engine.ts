/** Choosing the engine: the first of the ladder that loads, and one line that says which and why. */
import { ConfigError, EngineError, unknownName, type Logger } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { registerGradients } from './register-gradients.ts';
import {
  engineLoaders,
  engineNames,
  type EngineLoader,
  type EngineName,
  type Precision,
} from './engine-loaders.ts';

/** What to look for. */
export interface EngineOptions {
  /** `auto` takes the first of the ladder that works. @default 'auto' */
  readonly engine?: EngineName | 'auto';
  /** `cpu`, `cuda` or `cuda:N`. Engines that cannot reach it are passed over. @default 'cpu' */
  readonly device?: string;
  /** Storage of products and activations; with `auto`, engines without bf16 compute in f32. @default 'f32' */
  readonly precision?: Precision;
  /** Threads of the engine, where it lets them be set. @default the engine's own */
  readonly threads?: number;
  /** Ask for equal bits in two runs, where the engine makes that a choice. @default false */
  readonly deterministic?: boolean;
  /** Receives the one line. */
  readonly logger?: Logger;
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
  if (precision !== 'f32' && precision !== 'bf16') throw unknownName('precision', precision, ['f32', 'bf16']);
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new ConfigError(`threads: expected a whole number above 0, got ${threads}`, {
      fields: { got: threads },
    });
  }
};

/** Why a loader cannot serve a request at all, or undefined. */
const refusal = (
  loader: EngineLoader,
  { device, precision }: { device: string; precision: Precision | undefined },
): PassedOver | undefined => {
  if (!loader.devices.includes(device.split(':')[0] ?? device)) {
    return {
      name: loader.name,
      why: `it has no device ${device}`,
      remedy: loader.devices.includes('cpu') ? 'use --device cpu for it' : 'use --device cuda for it',
    };
  }
  if (precision && !loader.precisions.includes(precision)) {
    return {
      name: loader.name,
      why: `it has no ${precision}`,
      remedy: `use --precision ${loader.precisions.join(' or ')} for it`,
    };
  }
  return undefined;
};

const lineOf = (choice: Omit<EngineChoice, 'line'>, description: string): string => {
  const over = choice.passedOver.map(
    ({ name, why, remedy }) => `${name}: ${why}${remedy ? ` (${remedy})` : ''}`,
  );
  const passed = over.length > 0 ? `; passed over ${over.join('; ')}` : '';
  return `engine ${choice.name} on ${choice.device}, ${choice.precision} (${description}), ${choice.reason}${passed}`;
};

/**
 * Makes an engine the current tfjs backend and registers the gradients that tfjs lacks.
 * @throws ConfigError for an unknown engine, device or precision; EngineError with remedy when the engine asked for is
 * missing, or when none can serve the device
 */
export const selectEngine = async (options: EngineOptions = {}): Promise<EngineChoice> => {
  checkOptions(options);
  const { engine = 'auto', device, precision = 'f32' } = options;
  const passedOver: PassedOver[] = [];
  for (const loader of engineLoaders) {
    if (engine !== 'auto' && loader.name !== engine) continue;
    const wanted = device ?? loader.devices[0] ?? 'cpu';
    const effective = engine === 'auto' && !loader.precisions.includes(precision) ? 'f32' : precision;
    const refused = refusal(loader, { device: wanted, precision: effective });
    try {
      if (refused) throw new EngineError(refused.why, { fields: { remedy: refused.remedy } });
      const loaded = await loader.load({
        device: wanted,
        precision: effective,
        deterministic: options.deterministic ?? false,
        ...(options.threads === undefined ? {} : { threads: options.threads }),
      });
      if (!(await tf.setBackend(loaded.backendName))) {
        throw new EngineError(`backend ${loaded.backendName} did not start`, {
          fields: { remedy: loader.remedy },
        });
      }
      await tf.ready();
      registerGradients();
      const reason =
        engine !== 'auto'
          ? 'as asked'
          : effective === precision
            ? 'first of the ladder that works'
            : `first of the ladder that works; ${precision} needs torch`;
      const choice = {
        name: loader.name,
        device: loaded.device,
        precision: loaded.precision,
        deterministic: loaded.deterministic,
        reason,
        passedOver: Object.freeze([...passedOver]),
      };
      const line = lineOf(choice, loaded.description);
      options.logger?.info(line);
      return Object.freeze({ ...choice, line });
    } catch (cause) {
      const failure = failureOf(loader.name, cause);
      const remedy = failure.remedy || loader.remedy;
      if (engine !== 'auto') {
        throw new EngineError(`engine ${engine}: expected it to start, got: ${failure.why}; ${remedy}`, {
          code: 'engine-missing',
          fields: { engine, remedy },
          cause,
        });
      }
      passedOver.push({ ...failure, remedy });
    }
  }
  const list = passedOver
    .map(({ name, why, remedy }) => `${name}: ${why}${remedy ? ` (${remedy})` : ''}`)
    .join('; ');
  throw new EngineError(
    `engine auto: expected one engine to start on ${device ?? 'cpu'}, got none: ${list}`,
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
