/** Processes that make one training step per request, so that all sides take turns in one run: ours, and PyTorch's. */
import { describeTorch } from '@polygate/backend-torch';
import { EngineError, StateError } from '@polygate/core';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encoderSpecs, type EncoderShape } from './encoder-model.ts';

const bench = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** What a process is told, as one line of JSON. `batch` is that of all ranks together. */
export interface StepSettings extends EncoderShape {
  readonly precision: 'f32' | 'bf16';
  readonly threads: number;
  readonly learningRate: number;
  /** File of float32: input, then every parameter in order. */
  readonly values: string;
  /** Where a run of ours writes. */
  readonly folder: string;
  readonly rank?: number;
  readonly size?: number;
  /** Where ranks meet on this machine. */
  readonly port?: number;
  /** How PyTorch's model is written. @default 'plain' */
  readonly way?: 'plain' | 'attention' | 'compiled';
  /** Whether PyTorch measures a large product first. */
  readonly peak?: boolean;
}

export interface Step {
  readonly seconds: number;
  /** Of this rank's rows with PyTorch, of all with ours. */
  readonly loss: number;
  readonly exchangeBytes?: number;
  readonly exchangeMs?: number;
}

export interface Stepper {
  readonly version: string;
  /** GFLOP/s of a large product, where it was asked for. */
  readonly peak?: number;
  /** What the program has not got; it has ended then. */
  readonly lacks?: string;
  step(): Promise<Step>;
  close(): void;
}

interface Program {
  readonly name: string;
  readonly command: string;
  readonly script: string;
  /** What to do when it does not start. */
  readonly remedy: string;
}

const python = process.env['POLYGATE_BENCH_PYTHON'] ?? '/usr/bin/python3';

/** Of bench/peers. */
export const pytorch: Program = {
  name: `PyTorch at ${python}`,
  command: python,
  script: join(bench, 'peers', 'torch_encoder.py'),
  remedy: 'apt-get install python3-torch python3-numpy, or set POLYGATE_BENCH_PYTHON',
};

/** `train` of ours. */
export const ours: Program = {
  name: 'a rank of ours',
  command: process.execPath,
  script: join(bench, 'dist', 'scaling', 'rank.js'),
  remedy: 'see its error above',
};

/** Starts one and waits until it is ready to step. Needs the torch engine to be loaded. */
export const startStepper = async (
  { name, command, script, remedy }: Program,
  settings: Partial<StepSettings>,
): Promise<Stepper> => {
  // All sides multiply by the same kernels of OpenBLAS, on as many threads: PyTorch's own setting does not reach those.
  const { blasKernels } = describeTorch();
  const env = {
    ...(blasKernels === undefined ? {} : { OPENBLAS_CORETYPE: blasKernels }),
    ...process.env,
    ...(settings.threads === undefined ? {} : { OPENBLAS_NUM_THREADS: String(settings.threads) }),
  };
  const child = spawn(command, [script], { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}`)));
  });
  failed.catch(() => {});
  const read = async (): Promise<Record<string, unknown>> => {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true)
      throw new StateError(`bench: expected a line of ${name}, got its end; see its error above`);
    return JSON.parse(next.value) as Record<string, unknown>;
  };
  child.stdin.write(`${JSON.stringify(settings)}\n`);
  const ready = await read().catch((cause: unknown) => {
    throw new EngineError(`bench: expected ${name}, got none; ${remedy}`, { cause });
  });
  return {
    version: String(ready['ready']),
    ...(typeof ready['peak'] === 'number' ? { peak: ready['peak'] } : {}),
    ...(typeof ready['lacks'] === 'string' ? { lacks: ready['lacks'] } : {}),
    async step() {
      child.stdin.write('step\n');
      return (await read()) as unknown as Step;
    },
    close: () => child.stdin.end('quit\n'),
  };
};

/** What the file of `values` holds. */
export const readValues = async (
  settings: StepSettings,
): Promise<{ readonly input: Float32Array; readonly weights: ReadonlyMap<string, Float32Array> }> => {
  const bytes = await readFile(settings.values);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let at = 0;
  const take = (count: number): Float32Array => all.subarray(at, (at += count));
  const input = take(settings.batch * settings.length * settings.width);
  const weights = encoderSpecs(settings).map(
    ({ name, shape }) => [name, take(shape.reduce((product, extent) => product * extent, 1))] as const,
  );
  return { input, weights: new Map(weights) };
};
