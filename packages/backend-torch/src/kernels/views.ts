/** Kernels that move or relabel data: reshape, transpose, slice, join, pad, repeat, cast. bf16 stays bf16. */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import { runOnHost } from '../host-kernels.ts';
import type { KernelContext } from '../kernel-context.ts';
import type { KernelBody } from '../kernel-registration.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType, storageTypeOf } from '../native/scalar-types.ts';

interface OneInput {
  readonly x: TensorInfo;
}

/** Registers a kernel that tfjs runs on the host when an input holds strings. */
export const registerDataKernel = <Inputs extends object, Attributes>(
  name: string,
  body: KernelBody<Inputs, Attributes>,
): void => {
  registerTorchKernel<Inputs, Attributes>(name, (call) => {
    const infos = Object.values(call.inputs) as (TensorInfo | undefined)[];
    if (!infos.some((info) => info?.dtype === 'string')) return body(call);
    return runOnHost(name, { inputs: call.inputs, attrs: call.attrs as object, torch: call.torch });
  });
};

/** A copy without holes, so that a small part does not keep a large tensor alive. */
const compact = (torch: KernelContext, view: Handle): Handle => torch.aten('clone', view, 0);

/** Gives `x` another shape: shared when its elements lie in order, copied once when not. */
const reshaped = (torch: KernelContext, x: TensorInfo, shape: readonly number[]): TensorInfo => {
  if (x.dtype === 'string' || torch.isContiguous(x)) return torch.share(x, shape);
  return torch.output(torch.aten('reshape', torch.storedTensorOf(x), shape), shape, x.dtype);
};

/** The joined tensors in one type: bf16 only when all are. */
const commonType = (torch: KernelContext, infos: readonly TensorInfo[]): ScalarType => {
  const types = new Set(infos.map((info) => torch.typeOf(info)));
  const [only] = types;
  if (types.size === 1 && only !== undefined) return only;
  return storageTypeOf(infos.map(({ dtype }) => dtype).reduce((a, b) => tf.upcastType(a, b)));
};

const registerShapes = (): void => {
  registerTorchKernel<OneInput>('Identity', ({ inputs: { x }, torch }) => torch.share(x, x.shape));
  registerTorchKernel<OneInput, { shape: number[] }>('Reshape', ({ inputs: { x }, attrs, torch }) => {
    const size = tf.util.sizeFromShape(x.shape);
    const shape = tf.util.inferFromImplicitShape(attrs.shape, size);
    tf.util.assert(
      size === tf.util.sizeFromShape(shape),
      () =>
        `The new shape (${shape}) has ${tf.util.sizeFromShape(shape)} elements and the old shape (${x.shape}) has ${size} elements. The new shape and old shape must have the same number of elements.`,
    );
    return reshaped(torch, x, shape);
  });
  registerTorchKernel<{ input: TensorInfo }, { dim: number }>(
    'ExpandDims',
    ({ inputs: { input }, attrs: { dim }, torch }) => {
      const rank = input.shape.length;
      tf.util.assert(
        -(rank + 1) <= dim && dim <= rank,
        () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`,
      );
      const shape = [...input.shape];
      shape.splice(dim < 0 ? rank + dim + 1 : dim, 0, 1);
      return reshaped(torch, input, shape);
    },
  );
  registerDataKernel<OneInput, { perm: number[] }>(
    'Transpose',
    ({ inputs: { x }, attrs: { perm }, torch }) => {
      const shape = perm.map((axis) => x.shape[axis] ?? 1);
      return torch.output(torch.aten('permute', torch.storedTensorOf(x), perm), shape, x.dtype);
    },
  );
  registerTorchKernel<OneInput, { dtype: DataType }>('Cast', ({ inputs: { x }, attrs: { dtype }, torch }) => {
    if (x.dtype === dtype) return torch.share(x, x.shape);
    if (x.dtype === 'string' || dtype === 'string') {
      throw new Error(`Error in Cast: failed to cast ${x.dtype} to ${dtype}`);
    }
    let value = torch.storedTensorOf(x);
    if (x.dtype === 'complex64') value = torch.aten('real', value);
    // Through int64: NaN and infinities then become 0 as in JavaScript, and large values wrap.
    if (dtype === 'int32' && x.dtype !== 'bool') value = torch.aten('to.dtype', value, ScalarType.int64);
    return torch.output(torch.aten('to.dtype', value, storageTypeOf(dtype)), x.shape, dtype);
  });
};

const narrowed = (
  torch: KernelContext,
  value: Handle,
  part: { begin: readonly number[]; size: readonly number[]; shape: readonly number[] },
): Handle => {
  let result = value;
  part.shape.forEach((extent, axis) => {
    const start = part.begin[axis] ?? 0;
    const length = part.size[axis] ?? extent;
    if (start !== 0 || length !== extent) result = torch.aten('narrow', result, axis, start, length);
  });
  return result;
};

interface StridedAttributes {
  readonly begin: number[];
  readonly end: number[];
  readonly strides: number[];
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
}

/** Every stride-th element along each axis, from begin on; strides may be negative. */
const strided = (
  torch: KernelContext,
  value: Handle,
  part: { begin: readonly number[]; strides: readonly number[]; size: readonly number[] },
): Handle => {
  let result = value;
  part.size.forEach((length, axis) => {
    const start = part.begin[axis] ?? 0;
    const step = part.strides[axis] ?? 1;
    const last = start + (length - 1) * step;
    if (length === 0) {
      result = torch.aten('narrow', result, axis, 0, 0);
    } else if (step > 0) {
      result = torch.aten('slice.Tensor', result, axis, start, last + 1, step);
    } else {
      result = torch.aten('slice.Tensor', result, axis, last, start + 1, -step);
      result = torch.aten('flip', result, [axis]);
    }
  });
  return result;
};

const registerParts = (): void => {
  registerDataKernel<OneInput, { begin: number | number[]; size: number | number[] }>(
    'Slice',
    ({ inputs: { x }, attrs, torch }) => {
      const [begin = [], size = []] = tf.slice_util.parseSliceParams(x as tf.Tensor, attrs.begin, attrs.size);
      tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
      const view = narrowed(torch, torch.storedTensorOf(x), { begin, size, shape: x.shape });
      return torch.output(compact(torch, view), size, x.dtype);
    },
  );
  registerDataKernel<OneInput, StridedAttributes>('StridedSlice', ({ inputs: { x }, attrs, torch }) => {
    const info = tf.slice_util.sliceInfo(
      x.shape,
      attrs.begin,
      attrs.end,
      attrs.strides,
      attrs.beginMask,
      attrs.endMask,
      attrs.ellipsisMask,
      attrs.newAxisMask,
      attrs.shrinkAxisMask,
    );
    if (info.isIdentity) return reshaped(torch, x, info.finalShape);
    const { begin = [], end = [], strides = [] } = info;
    const size = tf.slice_util.computeOutShape(begin, end, strides);
    const view = strided(torch, torch.storedTensorOf(x), { begin, strides, size });
    const copy = torch.aten('reshape', compact(torch, view), info.finalShape);
    return torch.output(copy, info.finalShape, x.dtype);
  });
  registerDataKernel<OneInput, { numOrSizeSplits: number | number[]; axis: number }>(
    'SplitV',
    ({ inputs: { x }, attrs, torch }) => {
      const [axis = 0] = tf.util.parseAxisParam(attrs.axis, x.shape);
      const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
      let start = 0;
      return sizes.map((size) => {
        const part = torch.aten('narrow', torch.storedTensorOf(x), axis, start, size);
        start += size;
        const shape = x.shape.map((extent, i) => (i === axis ? size : extent));
        return torch.output(compact(torch, part), shape, x.dtype);
      });
    },
  );
  registerDataKernel<{ value: TensorInfo }, { axis: number }>(
    'Unpack',
    ({ inputs: { value }, attrs, torch }) => {
      const [axis = 0] = tf.util.parseAxisParam(attrs.axis, value.shape);
      const shape = value.shape.filter((_, i) => i !== axis);
      return Array.from({ length: value.shape[axis] ?? 0 }, (_, index) =>
        torch.output(
          compact(torch, torch.aten('select.int', torch.storedTensorOf(value), axis, index)),
          shape,
          value.dtype,
        ),
      );
    },
  );
  registerDataKernel<OneInput, { dims: number[] }>('Reverse', ({ inputs: { x }, attrs, torch }) => {
    const axes = tf.util.parseAxisParam(attrs.dims, x.shape);
    if (x.shape.length === 0) return torch.share(x, x.shape);
    return torch.output(torch.aten('flip', torch.storedTensorOf(x), axes), x.shape, x.dtype);
  });
};

const registerJoins = (): void => {
  registerDataKernel<TensorInfo[], { axis: number }>('Concat', ({ inputs, attrs, torch }) => {
    const infos = Object.values(inputs);
    const [axis = 0] = tf.util.parseAxisParam(attrs.axis, infos[0]?.shape ?? []);
    const shapes = infos.map(({ shape }) => shape);
    tf.backend_util.assertParamsConsistent(shapes, axis);
    const shape = tf.backend_util.computeOutShape(shapes, axis);
    const dtype = infos[0]?.dtype ?? 'float32';
    const [first, ...rest] = infos.filter((info) => tf.util.sizeFromShape(info.shape) > 0);
    if (first === undefined) return torch.outputFrom(new Float32Array(0), shape, dtype);
    if (rest.length === 0) return torch.share(first, first.shape);
    const full = [first, ...rest];
    const type = commonType(torch, full);
    const parts = full.map((info) => torch.tensorOf(info, type));
    return torch.output(torch.aten('cat', parts, axis), shape, dtype);
  });
  registerDataKernel<TensorInfo[], { axis: number }>('Pack', ({ inputs, attrs, torch }) => {
    const infos = Object.values(inputs);
    const [first] = infos;
    if (first === undefined) throw new Error('Pack: expected at least one tensor, got none');
    for (const info of infos) {
      tf.util.assertShapesMatch(
        first.shape,
        info.shape,
        'All tensors passed to stack must have matching shapes',
      );
      tf.util.assert(
        first.dtype === info.dtype,
        () => 'All tensors passed to stack must have matching dtypes',
      );
    }
    const shape = [...first.shape];
    const axis = attrs.axis < 0 ? attrs.axis + shape.length + 1 : attrs.axis;
    shape.splice(axis, 0, infos.length);
    const type = commonType(torch, infos);
    const parts = infos.map((info) => torch.tensorOf(info, type));
    return torch.output(torch.aten('stack', parts, axis), shape, first.dtype);
  });
  registerDataKernel<OneInput, { reps: number[] }>('Tile', ({ inputs: { x }, attrs: { reps }, torch }) => {
    const shape = x.shape.map((extent, i) => extent * (reps[i] ?? 1));
    return torch.output(torch.aten('repeat', torch.storedTensorOf(x), reps), shape, x.dtype);
  });
};

const registerBorders = (): void => {
  registerDataKernel<OneInput, { paddings: [number, number][]; constantValue: number }>(
    'PadV2',
    ({ inputs: { x }, attrs: { paddings, constantValue }, torch }) => {
      const shape = x.shape.map((extent, i) => extent + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
      // ATen lists the last axis first.
      const flat = [...paddings].reverse().flat();
      const padded = torch.aten('constant_pad_nd', torch.storedTensorOf(x), flat, constantValue);
      return torch.output(padded, shape, x.dtype);
    },
  );
  registerDataKernel<OneInput, { paddings: [number, number][]; mode: 'reflect' | 'symmetric' }>(
    'MirrorPad',
    ({ inputs: { x }, attrs: { paddings, mode }, torch }) => {
      // reflect leaves the border element out of the mirror, symmetric repeats it.
      const skip = mode === 'reflect' ? 1 : 0;
      let value = torch.storedTensorOf(x);
      const shape = x.shape.map((extent, axis) => {
        const [before, after] = paddings[axis] ?? [0, 0];
        const sources = Int32Array.from({ length: extent + before + after }, (_, at) => {
          const i = at - before;
          if (i < 0) return -i - 1 + skip;
          return i < extent ? i : 2 * extent - 1 - i - skip;
        });
        if (before + after > 0) {
          value = torch.aten('index_select', value, axis, torch.constant(sources, [sources.length]));
        }
        return sources.length;
      });
      return torch.output(value, shape, x.dtype);
    },
  );
};

const registerBlocks = (): void => {
  registerDataKernel<OneInput, { blockShape: number[]; crops: number[][] }>(
    'BatchToSpaceND',
    ({ inputs: { x }, attrs: { blockShape, crops }, torch }) => {
      const blocks = blockShape.reduce((a, b) => a * b, 1);
      const { getReshaped, getPermuted, getReshapedPermuted, getSliceBeginCoords, getSliceSize } =
        tf.backend_util;
      const split = getReshaped(x.shape, blockShape, blocks);
      const merged = getReshapedPermuted(x.shape, blockShape, blocks);
      const begin = getSliceBeginCoords(crops, blockShape.length);
      const cropped = getSliceSize(merged, crops, blockShape.length);
      const size = merged.map((extent, axis) => cropped[axis] ?? extent);
      let value = torch.aten('reshape', torch.storedTensorOf(x), split);
      value = torch.aten('permute', value, getPermuted(split.length, blockShape.length));
      value = torch.aten('reshape', value, merged);
      return torch.output(
        compact(torch, narrowed(torch, value, { begin, size, shape: merged })),
        size,
        x.dtype,
      );
    },
  );
  registerDataKernel<OneInput, { blockShape: number[]; paddings: number[][] }>(
    'SpaceToBatchND',
    ({ inputs: { x }, attrs: { blockShape, paddings }, torch }) => {
      const blocks = blockShape.reduce((a, b) => a * b, 1);
      const all = [
        [0, 0],
        ...paddings,
        ...Array.from({ length: x.shape.length - 1 - blockShape.length }, () => [0, 0]),
      ];
      const padded = x.shape.map((extent, i) => extent + (all[i]?.[0] ?? 0) + (all[i]?.[1] ?? 0));
      const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
      const split = getReshaped(padded, blockShape, blocks, false);
      const shape = getReshapedPermuted(padded, blockShape, blocks, false);
      let value = torch.aten('constant_pad_nd', torch.storedTensorOf(x), [...all].reverse().flat(), 0);
      value = torch.aten('reshape', value, split);
      value = torch.aten('permute', value, getPermuted(split.length, blockShape.length, false));
      return torch.output(torch.aten('reshape', value, shape), shape, x.dtype);
    },
  );
  registerTorchKernel<OneInput, { blockSize: number; dataFormat: string }>(
    'DepthToSpace',
    ({ inputs: { x }, attrs: { blockSize: block, dataFormat }, torch }) => {
      tf.util.assert(
        dataFormat === 'NHWC',
        () => `Only NHWC dataFormat supported on CPU for depthToSpace. Got ${dataFormat}`,
      );
      const [batch = 1, height = 1, width = 1, depth = 1] = x.shape;
      const channels = depth / (block * block);
      // [B, H, W, b, b, C] -> [B, H, b, W, b, C]
      let value = torch.aten('reshape', torch.storedTensorOf(x), [
        batch,
        height,
        width,
        block,
        block,
        channels,
      ]);
      value = torch.aten('permute', value, [0, 1, 3, 2, 4, 5]);
      const shape = [batch, height * block, width * block, channels];
      return torch.output(torch.aten('reshape', value, shape), shape, x.dtype);
    },
  );
};

export const registerViewKernels = (): void => {
  registerShapes();
  registerParts();
  registerJoins();
  registerBorders();
  registerBlocks();
};
