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
import type { KernelContext } from './kernel-context.ts';
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

/**
 * Runs tfjs's own JavaScript kernel on host copies of the inputs and uploads its results.
 * @param kernelName a kernel of tfjs's cpu backend
 */
export const runOnHost = (
  kernelName: string,
  call: { inputs: object; attrs: object; torch: KernelContext },
): TensorInfo | TensorInfo[] => {
  const { inputs, attrs, torch } = call;
  const host = hostBackend();
  const kernel = tf.getKernel(kernelName, 'cpu');
  if (kernel === undefined) throw new EngineError(`torch: tfjs's cpu backend has no kernel ${kernelName}`);
  const copies: TensorInfo[] = [];
  // Some of its kernels expect tensors, which know their rank and size, in the place of plain descriptions.
  const copy = (info: TensorInfo): TensorInfo => {
    const made = host.makeTensorInfo(info.shape, info.dtype, torch.valuesOf(info));
    copies.push(made);
    return Object.assign(made, { rank: info.shape.length, size: tf.util.sizeFromShape(info.shape) });
  };
  const results: TensorInfo[] = [];
  try {
    const given = Object.entries(inputs as Record<string, TensorInfo | TensorInfo[] | undefined>).flatMap(
      ([name, value]) => {
        if (value === undefined || value === null) return [];
        return [[name, Array.isArray(value) ? value.map(copy) : copy(value)] as const];
      },
    );
    // Concat, AddN and Pack take an array.
    const map = Array.isArray(inputs) ? given.map(([, info]) => info) : Object.fromEntries(given);
    const result = kernel.kernelFunc({
      inputs: map as tf.NamedTensorInfoMap,
      attrs: attrs as tf.NamedAttrMap,
      backend: host,
    });
    results.push(...(Array.isArray(result) ? result : [result]));
    const outputs = results.map((info) =>
      torch.outputFrom(host.readSync(info.dataId), info.shape, info.dtype),
    );
    return Array.isArray(result) ? outputs : (outputs[0] as TensorInfo);
  } finally {
    for (const info of [...copies, ...results]) host.disposeIntermediateTensorInfo(info);
  }
};

/** What ATen has no counterpart for, or what is too rare to be worth one. */
const HOST_KERNELS: readonly string[] = [
  'Bincount',
  'BroadcastArgs',
  'CropAndResize',
  'DenseBincount',
  'Dilation2D',
  'Dilation2DBackpropFilter',
  'Dilation2DBackpropInput',
  'Draw',
  'MaxPoolWithArgmax',
  'Multinomial',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'RotateWithOffset',
  'SearchSorted',
  'SparseFillEmptyRows',
  'SparseReshape',
  'SparseSegmentMean',
  'SparseSegmentSum',
  'StaticRegexReplace',
  'StringNGrams',
  'StringSplit',
  'StringToHashBucketFast',
  'Transform',
  'Unique',
];

export const registerHostKernels = (): void => {
  for (const kernelName of HOST_KERNELS) {
    registerTorchKernel(kernelName, ({ inputs, attrs, torch }) =>
      runOnHost(kernelName, { inputs, attrs, torch }),
    );
  }
};
