/** The two rungs of TensorFlow: tfjs's own packages for Node, loaded without their side effects on this process. */
import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import type { EngineLoader, LoadRequest } from '../../engine-loader.ts';
import { registerGradients } from '../../register-gradients.ts';
import {
  buildCommand,
  findTensorflowPackage,
  installCommand,
  readBuildRecord,
  type TensorflowPackage,
  type TensorflowPackageName,
} from './tensorflow-package.ts';

/** What is used of the package's backend. */
interface TensorflowBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

const BACKEND = 'tensorflow';

/** Warnings and errors; `0` shows all that TensorFlow says, among it why it found no GPU. */
const LOG_LEVEL = '2';

const fail = (why: string, remedy: string, cause?: unknown): never => {
  throw new EngineError(why, {
    code: 'engine-missing',
    fields: { remedy },
    ...(cause === undefined ? {} : { cause }),
  });
};

/** Functions of node:util that the package calls; Node 22 warns of them and Node 23 has them no more. */
const supplyUtil = (): void => {
  const functions = util as unknown as Record<string, unknown>;
  functions['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined;
  functions['isArray'] = Array.isArray;
};

/**
 * Requires the package. It makes itself the current backend, registers the kernels and gradients of the tfjs that it
 * finds once more, and calls what Node deprecates: all of that is undone or kept from the terminal.
 */
const requireQuietly = async (entry: string): Promise<void> => {
  const before = tf.engine().backendName;
  const { noDeprecation } = process;
  const production = tf.env().getBool('PROD');
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= LOG_LEVEL;
  supplyUtil();
  try {
    process.noDeprecation = true;
    tf.env().set('PROD', true);
    createRequire(entry)(entry);
  } finally {
    process.noDeprecation = noDeprecation ?? false;
    tf.env().set('PROD', production);
    registerGradients();
    if (before) await tf.setBackend(before);
  }
};

/** Loads the package, once a process. @throws EngineError with the remedy */
const start = async (installed: TensorflowPackage, name: TensorflowPackageName): Promise<void> => {
  const label = `${installed.name} ${installed.version}`;
  if (!installed.hasBinding) fail(`${label} is installed without its binding`, `\`${buildCommand(name)}\``);
  try {
    await requireQuietly(join(installed.folder, 'dist/index.js'));
  } catch (cause) {
    const text = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const record = readBuildRecord(installed);
    const built = record ? ` (built against TensorFlow ${record.version} in ${record.root})` : '';
    fail(
      `${label} does not load: ${text}${built}`,
      `build it again: \`${buildCommand(name)} --force\``,
      cause,
    );
  }
};

/** A rung of the ladder on one of the packages. A process has one TensorFlow; it serves the rung of its device. */
export const tensorflowLoader = (name: TensorflowPackageName, device: 'cuda' | 'cpu'): EngineLoader => {
  const remedy = `${installCommand(name)}, then \`${buildCommand(name)}\``;
  return {
    name,
    devices: [device],
    precisions: ['f32'],
    remedy,
    async load({ threads }: LoadRequest) {
      const installed = findTensorflowPackage(name);
      if (!installed) return fail(`@tensorflow/${name} is not installed`, remedy);
      if (!tf.engine().registryFactory[BACKEND]) {
        if (threads !== undefined) process.env['TF_NUM_INTRAOP_THREADS'] ??= String(threads);
        await start(installed, name);
      }
      const backend = tf.findBackend(BACKEND) as TensorflowBackend | null;
      if (!backend)
        return fail(`${installed.name} registered no backend`, `\`${buildCommand(name)} --force\``);
      if (device === 'cuda' && !backend.isUsingGpuDevice) {
        fail('TensorFlow found no GPU', 'TF_CPP_MIN_LOG_LEVEL=0 shows why; or use tfjs-node');
      }
      if (device === 'cpu' && backend.isUsingGpuDevice) {
        fail(
          'this TensorFlow computes on a GPU',
          'use tfjs-node-gpu, or hide the GPU: CUDA_VISIBLE_DEVICES=-1',
        );
      }
      const library = backend.binding?.TF_Version;
      return {
        backendName: BACKEND,
        device,
        precision: 'f32',
        deterministic: false,
        description: `TensorFlow${library === undefined ? '' : ` ${library}`} through ${name}`,
        version: installed.version,
        // Answers of one TensorFlow say nothing of another.
        ...(library === undefined ? {} : { identity: library }),
      };
    },
  };
};
