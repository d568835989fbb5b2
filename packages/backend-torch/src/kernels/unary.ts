/**
 * Elementwise kernels of one input.
 *
 * Three kinds: those that keep the element type (abs, relu; bf16 stays bf16), those that compute in
 * float32 and give the input's dtype back (exp of int32 truncates, as tfjs's reference does), and tests.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';

interface OneInput {
  readonly x: TensorInfo;
}

/** Kernel name -> ATen operator that works on every numeric type. */
const SAME_TYPE = {
  Abs: 'abs',
  Ceil: 'ceil',
  Floor: 'floor',
  Neg: 'neg',
  Round: 'round',
  Sign: 'sgn',
  Square: 'square',
} as const;

/** Kernel name -> ATen operator on floats. */
const FLOATING = {
  Acos: 'acos',
  Acosh: 'acosh',
  Asin: 'asin',
  Asinh: 'asinh',
  Atan: 'atan',
  Atanh: 'atanh',
  Cos: 'cos',
  Cosh: 'cosh',
  Elu: 'elu',
  Erf: 'erf',
  Exp: 'exp',
  Expm1: 'expm1',
  Log: 'log',
  Log1p: 'log1p',
  Reciprocal: 'reciprocal',
  Rsqrt: 'rsqrt',
  Selu: 'selu',
  Sigmoid: 'sigmoid',
  Sin: 'sin',
  Sinh: 'sinh',
  Softplus: 'softplus',
  Sqrt: 'sqrt',
  Tan: 'tan',
  Tanh: 'tanh',
} as const;

const TESTS = { IsFinite: 'isfinite', IsInf: 'isinf', IsNan: 'isnan' } as const;

/** The input as numbers: bool becomes int32, everything else stays as stored. */
const numeric = (torch: KernelContext, x: TensorInfo): Handle =>
  x.dtype === 'bool' ? torch.tensorOf(x, ScalarType.int32) : torch.storedTensorOf(x);

const floating = (torch: KernelContext, x: TensorInfo): Handle =>
  x.dtype === 'complex64' ? torch.tensorOf(x) : torch.tensorOf(x, ScalarType.float32);

/** Integers are whole already; ATen rounds floats only. */
const ROUNDING: ReadonlySet<string> = new Set(['Ceil', 'Floor', 'Round']);

const registerTables = (): void => {
  for (const [kernel, operator] of Object.entries(SAME_TYPE)) {
    registerTorchKernel<OneInput>(kernel, ({ inputs: { x }, torch }) => {
      if (ROUNDING.has(kernel) && x.dtype !== 'float32') return torch.share(x, x.shape);
      return torch.output(torch.aten(operator, numeric(torch, x)), x.shape, x.dtype);
    });
  }
  for (const [kernel, operator] of Object.entries(FLOATING)) {
    registerTorchKernel<OneInput>(kernel, ({ inputs: { x }, torch }) =>
      // tfjs's reference gives every other function's dtype back, and float32 for exp.
      torch.output(
        torch.aten(operator, floating(torch, x)),
        x.shape,
        kernel === 'Exp' && x.dtype !== 'complex64' ? 'float32' : x.dtype,
      ),
    );
  }
  for (const [kernel, operator] of Object.entries(TESTS)) {
    registerTorchKernel<OneInput>(kernel, ({ inputs: { x }, torch }) =>
      torch.output(torch.aten(operator, torch.storedTensorOf(x)), x.shape, 'bool'),
    );
  }
};

/** y = x for x > 0, slope * x otherwise; slope broadcasts. */
export const prelu = (torch: KernelContext, x: Handle, slope: Handle): Handle =>
  torch.aten('where.self', torch.aten('lt.Scalar', x, 0), torch.aten('mul.Tensor', x, slope), x);

export const registerUnaryKernels = (): void => {
  registerTables();

  registerTorchKernel<OneInput>('Relu', ({ inputs: { x }, torch }) =>
    torch.output(torch.aten('relu', numeric(torch, x)), x.shape, x.dtype),
  );
  registerTorchKernel<OneInput>('Relu6', ({ inputs: { x }, torch }) =>
    torch.output(torch.aten('clamp', numeric(torch, x), 0, 6), x.shape, x.dtype),
  );
  registerTorchKernel<OneInput, { alpha: number }>('LeakyRelu', ({ inputs: { x }, attrs, torch }) =>
    torch.output(torch.aten('leaky_relu', torch.tensorOf(x, ScalarType.float32), attrs.alpha), x.shape),
  );
  registerTorchKernel<{ x: TensorInfo; alpha: TensorInfo }>('Prelu', ({ inputs: { x, alpha }, torch }) => {
    const slope = torch.tensorOf(alpha, ScalarType.float32);
    return torch.output(prelu(torch, torch.tensorOf(x, ScalarType.float32), slope), x.shape);
  });
  registerTorchKernel<OneInput, { clipValueMin: number; clipValueMax: number }>(
    'ClipByValue',
    ({ inputs: { x }, attrs: { clipValueMin, clipValueMax }, torch }) =>
      torch.output(torch.aten('clamp', numeric(torch, x), clipValueMin, clipValueMax), x.shape, x.dtype),
  );
  // alpha below zero, one above, and NaN stays NaN.
  registerTorchKernel<OneInput, { alpha?: number }>('Step', ({ inputs: { x }, attrs, torch }) => {
    const values = torch.tensorOf(x, ScalarType.float32);
    const positive = torch.aten('gt.Scalar', values, 0);
    const one = torch.aten('full_like', values, 1);
    const below = torch.aten('full_like', values, attrs.alpha ?? 0);
    const stepped = torch.aten('where.self', positive, one, below);
    const missing = torch.aten('isnan', values);
    return torch.output(torch.aten('where.self', missing, values, stepped), x.shape, x.dtype);
  });
  registerTorchKernel<{ dy: TensorInfo; y: TensorInfo }>('EluGrad', ({ inputs: { dy, y }, torch }) => {
    const upstream = torch.tensorOf(dy);
    const value = torch.tensorOf(y);
    const slope = torch.aten('add.Scalar', torch.aten('clamp', value, undefined, 0), 1);
    return torch.output(torch.aten('mul.Tensor', upstream, slope), y.shape);
  });
  registerTorchKernel<OneInput>('LogicalNot', ({ inputs: { x }, torch }) =>
    torch.output(torch.aten('logical_not', torch.storedTensorOf(x)), x.shape, 'bool'),
  );
};
