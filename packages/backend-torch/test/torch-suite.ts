import { afterAll, beforeAll, describe } from 'vitest';
import * as tf from '@tensorflow/tfjs';
import { describeTorch, registerTorchEngine } from '@polygate/backend-torch';
import type { TorchBackend, TorchEngineOptions, TorchMemory } from '@polygate/backend-torch';

const report = describeTorch();

/** Like describe, on the torch engine; skipped with its reason and remedy where LibTorch is absent. */
export const describeOnTorch = (name: string, body: () => void, options: TorchEngineOptions = {}): void => {
  const reason = report.available ? '' : ` [skipped: ${report.why}; ${report.remedy}]`;
  describe.skipIf(!report.available)(`${name}${reason}`, () => {
    beforeAll(async () => {
      await registerTorchEngine({ threads: 1, ...options });
    });
    afterAll(() => {
      tf.removeBackend('torch');
    });
    body();
  });
};

export const torchMemory = (): TorchMemory & tf.MemoryInfo =>
  tf.memory() as unknown as TorchMemory & tf.MemoryInfo;

export const torchBackend = (): TorchBackend => tf.backend() as unknown as TorchBackend;

/** Runs `compute` on another backend and gives its values; the torch engine is current again afterwards. */
export const on = async (
  backend: 'cpu' | 'torch',
  compute: () => tf.Tensor,
): Promise<{ values: Float32Array; shape: number[]; dtype: tf.DataType }> => {
  await tf.setBackend(backend);
  try {
    const result = tf.tidy(compute);
    const values = Float32Array.from((await result.data()) as Float32Array);
    const { shape, dtype } = result;
    result.dispose();
    return { values, shape, dtype };
  } finally {
    await tf.setBackend('torch');
  }
};
