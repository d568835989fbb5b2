/**
 * Kernels that run on the host: tfjs's own JavaScript implementation on values copied from the device.
 *
 * They are the rare ones that ATen has no counterpart for (strings, sparse and ragged rows, non-maximum
 * suppression, image transforms) and that no model trains with. The list is explicit: a kernel that is
 * neither here nor native is unknown to the engine.
 */
import * as tf from '@tensorflow/tfjs';
import type { BackendValues, DataId, TensorInfo } from '@tensorflow/tfjs';
import { EngineError } from '@polygate/core';
import { registerTorchKernel } from './kernel-registration.ts';

/** The part of tfjs's CPU backend that its kernels are run with. */
interface HostBackend extends tf.KernelBackend {
  firstUse?: boolean;
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: BackendValues): TensorInfo;
  readSync(dataId: DataId): BackendValues;
  disposeIntermediateTensorInfo(info: TensorInfo): void;
}

const hostBackend = (): HostBackend => {
  const backend = tf.findBackend('cpu') as HostBackend | null;
  if (backend === null) {
    throw new EngineError(
      'torch: a kernel that runs on the host needs tfjs’s cpu backend; import @tensorflow/tfjs, which registers it',
    );
  }
  // Its first use prints an advertisement for another backend.
  backend.firstUse = false;
  return backend;
};

const HOST_KERNELS: readonly string[] = [];

export const registerHostKernel = (kernelName: string): void => {
  registerTorchKernel(kernelName, ({ inputs, attrs, torch }) => {
    const host = hostBackend();
    const kernel = tf.getKernel(kernelName, 'cpu');
    if (kernel === undefined) throw new EngineError(`torch: tfjs's cpu backend has no kernel ${kernelName}`);
    const copies: TensorInfo[] = [];
    const copied: Record<string, TensorInfo> = {};
    for (const [name, info] of Object.entries(inputs)) {
      if (info === undefined || info === null) continue;
      const copy = host.makeTensorInfo(info.shape, info.dtype, torch.valuesOf(info));
      copies.push(copy);
      copied[name] = copy;
    }
    // Some kernels take their inputs as an array in the place of a map (Concat, AddN, Pack).
    const given = Array.isArray(inputs) ? (Object.values(copied) as unknown as typeof copied) : copied;
    const results: TensorInfo[] = [];
    try {
      const result = kernel.kernelFunc({ inputs: given, attrs, backend: host });
      results.push(...(Array.isArray(result) ? result : [result]));
      const outputs = results.map((info) => torch.outputFrom(host.readSync(info.dataId), info.shape, info.dtype));
      return Array.isArray(result) ? outputs : (outputs[0] as TensorInfo);
    } finally {
      for (const info of [...copies, ...results]) host.disposeIntermediateTensorInfo(info);
    }
  });
};

export const registerHostKernels = (): void => {
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (tf.getKernel(kernelName, 'torch') === undefined) registerHostKernel(kernelName);
  }
  void HOST_KERNELS;
};
