/**
 * Kernels made wrong on purpose, for the tests of what finds wrong kernels. POLYGATE_TEST_FAULTS holds faults separated by
 * commas, `wasm/Sum`: tfjs's kernel Sum on the backend wasm, whose float32 results become a quarter too large. Those of
 * torch are its own affair.
 */
import { testFaults } from '#engine-memory';
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';

const TOO_LARGE = 1.25;

/** Whether kernels are wrong on purpose in this process: what engines answer now says nothing about the next. */
export const hasFaults = (): boolean => testFaults() !== '';

const spoil = (info: tf.TensorInfo, backend: tf.KernelBackend): tf.TensorInfo => {
  if (info.dtype !== 'float32') return info;
  const values = Float32Array.from(
    backend.readSync(info.dataId) as Float32Array,
    (value) => value * TOO_LARGE,
  );
  const dataId = backend.write(values, [...info.shape], 'float32');
  backend.disposeData(info.dataId);
  return { ...info, dataId };
};

/** Kernels that can be wrong already. */
const spoiled = new WeakSet<object>();

const faults = (): string[] => testFaults().split(',');

/**
 * Makes the kernels of a backend wrong that POLYGATE_TEST_FAULTS names, as long as it names them; none outside tests.
 * @throws ConfigError for a kernel that the backend does not have
 */
export const applyFaults = (backendName: string): void => {
  for (const fault of faults()) {
    const [engine, kernelName = ''] = fault.split('/');
    if (engine !== backendName || engine === 'torch') continue;
    const kernel = tf.getKernel(kernelName, backendName);
    if (!kernel) {
      throw new ConfigError(
        `POLYGATE_TEST_FAULTS: expected a kernel of ${backendName}, got "${fault}"; unset it outside tests`,
      );
    }
    if (spoiled.has(kernel)) continue;
    spoiled.add(kernel);
    const right = kernel.kernelFunc;
    kernel.kernelFunc = (call) => {
      const out = right(call);
      if (!faults().includes(fault)) return out;
      const backend = call.backend as tf.KernelBackend;
      return Array.isArray(out) ? out.map((each) => spoil(each, backend)) : spoil(out, backend);
    };
  }
};
