/**
 * Matrix products and Einstein sums. Under the bf16 policy the factors are rounded to bf16 and the result is
 * stored in bf16; int32 goes through float64, which is exact up to 2^53.
 */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';
import type { Activation } from './activations.ts';
import { applyActivation } from './activations.ts';

/** The type in which a product of tensors of this dtype is computed. */
const productType = (torch: KernelContext, dtype: DataType): ScalarType => {
  if (dtype === 'complex64') return ScalarType.complex64;
  return dtype === 'float32' ? torch.precision.product : ScalarType.float64;
};

interface Factor {
  readonly info: TensorInfo;
  readonly transpose: boolean;
}

const factor = (torch: KernelContext, { info, transpose }: Factor, type: ScalarType): Handle => {
  const value = torch.tensorOf(info, type);
  return transpose ? torch.aten('transpose.int', value, -2, -1) : value;
};

/** [..., M, K] x [..., K, N] -> [..., M, N], leading axes broadcast. */
const productShape = (a: Factor, b: Factor): number[] => {
  const [rowsAt, innerAt] = a.transpose ? [-1, -2] : [-2, -1];
  const [innerOfB, columnsAt] = b.transpose ? [-1, -2] : [-2, -1];
  const inner = a.info.shape.at(innerAt);
  const other = b.info.shape.at(innerOfB);
  tf.util.assert(
    inner === other,
    () =>
      `Error in matMul: inner shapes (${inner}) and (${other}) of Tensors with shapes ${a.info.shape} and ${b.info.shape} must match.`,
  );
  const leading = tf.backend_util.assertAndGetBroadcastShape(
    a.info.shape.slice(0, -2),
    b.info.shape.slice(0, -2),
  );
  return [...leading, a.info.shape.at(rowsAt) ?? 0, b.info.shape.at(columnsAt) ?? 0];
};

interface MatMulInputs {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
}
interface FusedInputs extends MatMulInputs {
  readonly bias?: TensorInfo;
  readonly preluActivationWeights?: TensorInfo;
}
interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}
interface FusedAttributes extends MatMulAttributes {
  readonly activation: Activation;
  readonly leakyreluAlpha?: number;
}

const registerFusedMatMul = (): void => {
  registerTorchKernel<FusedInputs, FusedAttributes>('_FusedMatMul', ({ inputs, attrs, torch }) => {
    const a = { info: inputs.a, transpose: attrs.transposeA };
    const b = { info: inputs.b, transpose: attrs.transposeB };
    const shape = productShape(a, b);
    const type = productType(torch, inputs.a.dtype);
    const left = factor(torch, a, type);
    const right = factor(torch, b, type);
    let value: Handle;
    if (inputs.bias === undefined || inputs.bias === null) {
      value = torch.aten('matmul', left, right);
    } else if (shape.length === 2) {
      value = torch.aten('addmm', torch.tensorOf(inputs.bias, type), left, right);
    } else {
      value = torch.aten('add_.Tensor', torch.aten('matmul', left, right), torch.tensorOf(inputs.bias, type));
    }
    const activated = applyActivation(torch, value, {
      activation: attrs.activation,
      prelu: inputs.preluActivationWeights,
      leakyreluAlpha: attrs.leakyreluAlpha,
    });
    return torch.output(activated, shape, inputs.a.dtype);
  });
};

export const registerProductKernels = (): void => {
  registerTorchKernel<MatMulInputs, MatMulAttributes>('BatchMatMul', ({ inputs, attrs, torch }) => {
    const a = { info: inputs.a, transpose: attrs.transposeA };
    const b = { info: inputs.b, transpose: attrs.transposeB };
    const shape = productShape(a, b);
    const type = productType(torch, inputs.a.dtype);
    const value = torch.aten('matmul', factor(torch, a, type), factor(torch, b, type));
    return torch.output(value, shape, inputs.a.dtype);
  });
  registerFusedMatMul();
  registerTorchKernel<TensorInfo[], { equation: string }>('Einsum', ({ inputs, attrs, torch }) => {
    const infos = Object.values(inputs);
    const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(
      attrs.equation,
      infos.length,
    );
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, infos as tf.Tensor[]);
    const extents = new Map<string, number>();
    infos.forEach((info, i) => {
      idDims[i]?.forEach((dim, axis) => extents.set(allDims[dim] ?? '', info.shape[axis] ?? 1));
    });
    const shape = allDims
      .slice(0, allDims.length - summedDims.length)
      .map((letter) => extents.get(letter) ?? 1);
    const dtype = infos.map((info) => info.dtype).reduce((p, q) => tf.upcastType(p, q));
    const type = productType(torch, dtype);
    const operands = infos.map((info) => torch.tensorOf(info, type));
    return torch.output(torch.aten('einsum', attrs.equation.replace(/\s/g, ''), operands), shape, dtype);
  });
};
