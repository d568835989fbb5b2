/** Gathering, scattering, segment sums, sorting out the largest, one-hot rows. */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType, storageTypeOf } from '../native/scalar-types.ts';
import { registerDataKernel } from './views.ts';

/**
 * Refuses indices outside [0, below). ATen checks them on the CPU only: on CUDA a bad one would make the whole
 * process's device unusable. Costs a pass over the indices, few beside the rows they choose, and on CUDA a wait.
 */
const assertInRange = (
  torch: KernelContext,
  indices: Handle,
  options: { below: number; message: (index: number) => string },
): void => {
  const { below, message } = options;
  const bad = torch.aten(
    'logical_or',
    torch.aten('lt.Scalar', indices, 0),
    torch.aten('ge.Scalar', indices, below),
  );
  if (torch.dispatcher.value('is_nonzero', torch.aten('any', bad)) === 0) return;
  const [first] = torch.dispatcher.read(
    torch.aten('narrow', torch.aten('masked_select', indices, bad), 0, 0, 1),
    new Int32Array(1),
  );
  throw new Error(message(first ?? 0));
};

const registerGather = (): void => {
  registerDataKernel<{ x: TensorInfo; indices: TensorInfo }, { axis: number; batchDims: number }>(
    'GatherV2',
    ({ inputs: { x, indices }, attrs, torch }) => {
      const [axis = 0] = tf.util.parseAxisParam(attrs.axis, x.shape);
      const extent = x.shape[axis] ?? 0;
      const flat = torch.aten('reshape', torch.tensorOf(indices, ScalarType.int32), [-1]);
      assertInRange(torch, flat, {
        below: extent,
        message: (index) => `GatherV2: the index value ${index} is not in [0, ${extent - 1}]`,
      });
      const batchDims = attrs.batchDims ?? 0;
      const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        axis,
        batchDims,
      );
      if (info.batchSize === 1) {
        const rows = torch.aten('reshape', torch.storedTensorOf(x), [
          info.outerSize,
          info.dimSize,
          info.sliceSize,
        ]);
        return torch.output(torch.aten('index_select', rows, 1, flat), info.outputShape, x.dtype);
      }
      const { batchSize, outerSize, dimSize, sliceSize } = info;
      const perBatch = tf.util.sizeFromShape(indices.shape) / batchSize;
      const rows = torch.aten('reshape', torch.storedTensorOf(x), [batchSize, outerSize, dimSize, sliceSize]);
      const where = torch.aten(
        'expand',
        torch.aten('reshape', torch.aten('to.dtype', flat, ScalarType.int64), [batchSize, 1, perBatch, 1]),
        [batchSize, outerSize, perBatch, sliceSize],
      );
      return torch.output(torch.aten('gather', rows, 2, where), info.outputShape, x.dtype);
    },
  );
  registerDataKernel<{ params: TensorInfo; indices: TensorInfo }, object>(
    'GatherNd',
    ({ inputs: { params, indices }, torch }) => {
      const [shape, , sliceSize, strides] = tf.backend_util.prepareAndValidate(
        params as tf.Tensor,
        indices as tf.Tensor,
      );
      if (tf.util.sizeFromShape(shape) === 0)
        return torch.outputFrom(new Float32Array(0), shape, params.dtype);
      const rowCount = tf.util.sizeFromShape(params.shape) / sliceSize;
      const rows = flatIndices(torch, indices, strides.slice(0, indices.shape.at(-1) ?? 0));
      assertInRange(torch, rows, {
        below: rowCount,
        message: (index) => `Invalid indices: row ${index} does not index into ${params.shape}`,
      });
      const table = torch.aten('reshape', torch.storedTensorOf(params), [rowCount, sliceSize]);
      return torch.output(torch.aten('index_select', table, 0, rows), shape, params.dtype);
    },
  );
};

/** [..., R] multi-indices -> [N] positions of rows, with the given strides. */
const flatIndices = (torch: KernelContext, indices: TensorInfo, strides: readonly number[]): Handle => {
  const rank = Math.max(strides.length, 1);
  const table = torch.aten('reshape', torch.tensorOf(indices, ScalarType.int32), [-1, rank]);
  const weights = torch.constant(Int32Array.from(strides), [strides.length]);
  const sums = torch.aten(
    'sum.dim_IntList',
    torch.aten('mul.Tensor', table, weights),
    [1],
    false,
    ScalarType.int32,
  );
  return torch.aten('reshape', sums, [-1]);
};

interface Scatter {
  readonly indices: TensorInfo;
  readonly updates: TensorInfo;
  readonly shape: readonly number[];
}

/** The table that a scatter writes into, as [rows, slice], with the rows and the updates. */
const scatterOperands = (
  torch: KernelContext,
  { indices, updates, shape }: Scatter,
): { rows: Handle; values: Handle; rowCount: number; sliceSize: number } => {
  const plan = tf.backend_util.calculateShapes(updates as tf.Tensor, indices as tf.Tensor, [...shape]);
  const rowCount = plan.outputSize / plan.sliceSize;
  const rank = plan.sliceRank;
  const rows = flatIndices(torch, indices, rank < 1 ? [1] : plan.strides.slice(0, rank));
  assertInRange(torch, rows, {
    below: rowCount,
    message: (index) => `Invalid indices: row ${index} does not index into ${shape.join(',')}`,
  });
  const type = storageTypeOf(updates.dtype);
  let values = torch.tensorOf(updates, type);
  values =
    updates.shape.length === 0
      ? torch.aten('expand', values, [plan.numUpdates, plan.sliceSize])
      : torch.aten('reshape', values, [plan.numUpdates, plan.sliceSize]);
  return { rows, values, rowCount, sliceSize: plan.sliceSize };
};

const registerScatter = (): void => {
  registerDataKernel<{ indices: TensorInfo; updates: TensorInfo }, { shape: number[] }>(
    'ScatterNd',
    ({ inputs: { indices, updates }, attrs: { shape }, torch }) => {
      if (tf.util.sizeFromShape(shape) === 0)
        return torch.outputFrom(new Float32Array(0), shape, updates.dtype);
      const { rows, values, rowCount, sliceSize } = scatterOperands(torch, { indices, updates, shape });
      const zeros = torch.aten(
        'zeros',
        [rowCount, sliceSize],
        storageTypeOf(updates.dtype),
        undefined,
        torch.device,
      );
      return torch.output(torch.aten('index_add_', zeros, 0, rows, values), shape, updates.dtype);
    },
  );
  registerDataKernel<{ tensor: TensorInfo; indices: TensorInfo; updates: TensorInfo }, object>(
    'TensorScatterUpdate',
    ({ inputs: { tensor, indices, updates }, torch }) => {
      const { rows, values, rowCount, sliceSize } = scatterOperands(torch, {
        indices,
        updates,
        shape: tensor.shape,
      });
      const table = torch.aten('clone', torch.tensorOf(tensor), 0);
      const flat = torch.aten('reshape', table, [rowCount, sliceSize]);
      const where = torch.aten('to.dtype', rows, ScalarType.int64);
      return torch.output(torch.aten('index_copy_', flat, 0, where, values), tensor.shape, tensor.dtype);
    },
  );
  registerDataKernel<
    { sparseIndices: TensorInfo; sparseValues: TensorInfo; defaultValue: TensorInfo },
    { outputShape: number[] }
  >('SparseToDense', ({ inputs, attrs: { outputShape: shape }, torch }) => {
    const { sparseIndices: indices, sparseValues: updates, defaultValue } = inputs;
    const { rows, values, rowCount, sliceSize } = scatterOperands(torch, { indices, updates, shape });
    const type = storageTypeOf(updates.dtype);
    const fill = torch.aten('reshape', torch.tensorOf(defaultValue, type), []);
    const table = torch.aten('clone', torch.aten('expand', fill, [rowCount, sliceSize]), 0);
    const where = torch.aten('to.dtype', rows, ScalarType.int64);
    return torch.output(torch.aten('index_copy_', table, 0, where, values), shape, updates.dtype);
  });
  registerTorchKernel<{ x: TensorInfo; segmentIds: TensorInfo }, { numSegments: number }>(
    'UnsortedSegmentSum',
    ({ inputs: { x, segmentIds }, attrs: { numSegments }, torch }) => {
      const type = storageTypeOf(x.dtype === 'bool' ? 'int32' : x.dtype);
      const trailing = x.shape.slice(segmentIds.shape.length);
      const shape = [numSegments, ...trailing];
      const ids = torch.aten('reshape', torch.tensorOf(segmentIds, ScalarType.int32), [-1]);
      const rows = torch.aten('reshape', torch.tensorOf(x, type), [-1, ...trailing]);
      // Rows of ids outside [0, n) are dropped: they go to a spare row that is cut off.
      const outside = torch.aten(
        'logical_or',
        torch.aten('lt.Scalar', ids, 0),
        torch.aten('ge.Scalar', ids, numSegments),
      );
      const safe = torch.aten('masked_fill.Scalar', ids, outside, numSegments);
      const zeros = torch.aten('zeros', [numSegments + 1, ...trailing], type, undefined, torch.device);
      const sums = torch.aten('index_add_', zeros, 0, safe, rows);
      return torch.output(
        torch.aten('narrow', sums, 0, 0, numSegments),
        shape,
        x.dtype === 'bool' ? 'int32' : x.dtype,
      );
    },
  );
};

const registerSelections = (): void => {
  registerTorchKernel<{ x: TensorInfo }, { k: number; sorted: boolean }>(
    'TopK',
    ({ inputs: { x }, attrs: { k }, torch }) => {
      const shape = [...x.shape.slice(0, -1), k];
      const value = torch.tensorOf(x);
      // A stable sort, because of equal values the one of lower index must come first.
      const [values, positions] = torch.atenAll('sort.stable', value, true, -1, true);
      const first = (sorted: Handle | undefined): Handle =>
        torch.aten('clone', torch.aten('narrow', sorted as Handle, -1, 0, k), 0);
      return [torch.output(first(values), shape, x.dtype), torch.output(first(positions), shape, 'int32')];
    },
  );
  registerTorchKernel<
    { indices: TensorInfo },
    { depth: number; onValue: number; offValue: number; dtype: DataType }
  >('OneHot', ({ inputs: { indices }, attrs: { depth, onValue, offValue, dtype }, torch }) => {
    const shape = [...indices.shape, depth];
    const ids = torch.aten('unsqueeze', torch.tensorOf(indices, ScalarType.int32), -1);
    const classes = torch.aten('arange', depth, ScalarType.int32, undefined, torch.device);
    const hit = torch.aten('eq.Tensor', ids, classes);
    const type = storageTypeOf(dtype);
    if (onValue === 1 && offValue === 0) return torch.output(torch.aten('to.dtype', hit, type), shape, dtype);
    const off = torch.aten('full', shape, offValue, type, undefined, torch.device);
    return torch.output(torch.aten('masked_fill_.Scalar', off, hit, onValue), shape, dtype);
  });
};

export const registerIndexingKernels = (): void => {
  registerGather();
  registerScatter();
  registerSelections();
};
