/**
 * PgDispatchedLinear and PgDispatchedLinearGrad: experts chosen token by token. On the CPU one native call each way
 * (native/operators/dispatched_linear.h); elsewhere, and as that call's twin, ATen's operators expert by expert.
 * Axes: N tokens · E experts · M slots · I inputs · O outputs.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { activate, activationGradient, columnSums } from './activation.ts';
import { hasOwnOperators, lastOf, matrixOf, sizeOf, storedMatrixOf } from './operand.ts';
import { panelsOf, productWeightOf } from './product-weights.ts';

interface DispatchedAttributes {
  /** [E + 1] */
  readonly starts: Int32Array;
  /** Ids of the experts with slots, ascending. */
  readonly used: readonly number[];
  /** Those experts. Lists, for dozens of named inputs would cost as much as small products. */
  readonly experts: readonly { readonly weight: TensorInfo; readonly bias: TensorInfo }[];
  readonly activation: 'none' | 'gelu';
  /** Whether a gradient will be asked for, so that what was before the activation is wanted. */
  readonly keep: boolean;
  /** Whether no gradient will be asked for: the weights are likely to stay as they are. */
  readonly held?: boolean;
}

interface Operands {
  /** [N, I], for the native call [..., I]. */
  readonly x: Handle;
  /** float32 [N, E] */
  readonly gates: Handle;
  /** The weights as they were given, and in the product type. */
  readonly given: readonly TensorInfo[];
  readonly weights: readonly Handle[];
  readonly biases: readonly Handle[];
  readonly tokens: Handle;
  /** Of the used experts, with the end of the last. */
  readonly starts: readonly number[];
  readonly used: readonly number[];
  /** Leading axes of x. */
  readonly shape: readonly number[];
  readonly size: { readonly count: number; readonly inputs: number; readonly outputs: number };
}

/** [..., D] as it is stored, as a matrix where operators of ATen's work on it. */
const rows = (torch: KernelContext, info: TensorInfo): Handle =>
  hasOwnOperators(torch) ? torch.storedTensorOf(info) : storedMatrixOf(torch, info);

const operandsOf = (
  torch: KernelContext,
  given: NamedTensorInfoMap,
  { starts, used, experts }: DispatchedAttributes,
): Operands => {
  const x = required(given, 'x');
  const tokens = required(given, 'tokens');
  const inputs = lastOf(x.shape);
  const weights = experts.map(({ weight }) => weight);
  return {
    x: hasOwnOperators(torch)
      ? torch.tensorOf(x, torch.precision.product)
      : matrixOf(torch, x, torch.precision.product),
    gates: torch.tensorOf(required(given, 'gates'), torch.precision.exact),
    given: weights,
    get weights() {
      return weights.map((info) => productWeightOf(torch, info));
    },
    biases: experts.map(({ bias }) => torch.tensorOf(bias, torch.precision.exact)),
    tokens: torch.storedTensorOf(tokens),
    starts: [...used.map((id) => starts[id] ?? 0), tokens.shape[0] ?? 0],
    used,
    shape: x.shape.slice(0, -1),
    size: { count: sizeOf(x.shape) / Math.max(1, inputs), inputs, outputs: weights[0]?.shape[0] ?? 0 },
  };
};

/** What one expert's slots are: their tokens and, as a column, their gates. */
const slotsOf = (torch: KernelContext, o: Operands, at: number): { tokens: Handle; gates: Handle } => {
  const tokens = torch.aten('slice.Tensor', o.tokens, 0, o.starts[at] ?? 0, o.starts[at + 1] ?? 0, 1);
  const column = torch.aten('slice.Tensor', o.gates, 1, o.used[at] ?? 0, (o.used[at] ?? 0) + 1, 1);
  return { tokens, gates: torch.aten('index_select', column, 0, tokens) };
};

const zerosLike = (torch: KernelContext, shape: readonly number[]): Handle =>
  torch.aten('zeros', shape, torch.precision.exact, undefined, torch.device);

/** sum over slots of g (W x + b), float32 [N, O]. */
const composeForward = (torch: KernelContext, o: Operands): Handle => {
  const { exact } = torch.precision;
  let sum = zerosLike(torch, [o.size.count, o.size.outputs]);
  o.weights.forEach((weight, at) => {
    const { tokens, gates } = slotsOf(torch, o, at);
    const product = torch.aten('mm', torch.aten('index_select', o.x, 0, tokens), torch.aten('t', weight));
    const value = torch.aten('add.Tensor', torch.aten('to.dtype', product, exact), o.biases[at] as Handle);
    sum = torch.aten('index_add', sum, 0, tokens, torch.aten('mul.Tensor', value, gates));
  });
  return sum;
};

interface Gradients {
  readonly dx: Handle;
  readonly dGates: Handle;
  readonly weights: readonly Handle[];
  readonly biases: readonly Handle[];
}

const composeGradient = (torch: KernelContext, o: Operands, dz: Handle): Gradients => {
  const { exact, product } = torch.precision;
  const experts = torch.dispatcher.describe(o.gates).shape[1] ?? 0;
  let dx = zerosLike(torch, [o.size.count, o.size.inputs]);
  const columns: Handle[] = Array.from({ length: experts }, () => zerosLike(torch, [o.size.count]));
  const weights: Handle[] = [];
  const biases: Handle[] = [];
  o.weights.forEach((weight, at) => {
    const { tokens, gates } = slotsOf(torch, o, at);
    const spanGradient = torch.aten('index_select', dz, 0, tokens);
    const x = torch.aten('index_select', o.x, 0, tokens);
    const u = torch.aten('to.dtype', torch.aten('mm', spanGradient, weight), exact);
    const along = torch.aten('sum.dim_IntList', torch.aten('mul.Tensor', u, x), [1], false, exact);
    const biased = torch.aten('mul.Tensor', spanGradient, o.biases[at] as Handle);
    const toGates = torch.aten('add.Tensor', along, torch.aten('sum.dim_IntList', biased, [1], false, exact));
    const id = o.used[at] ?? 0;
    columns[id] = torch.aten('index_add', columns[id] as Handle, 0, tokens, toGates);
    dx = torch.aten('index_add', dx, 0, tokens, torch.aten('mul.Tensor', u, gates));
    const weighed = torch.aten('to.dtype', torch.aten('mul.Tensor', spanGradient, gates), product);
    weights.push(torch.aten('to.dtype', torch.aten('mm', torch.aten('t', weighed), x), exact));
    biases.push(columnSums(torch, weighed));
  });
  return {
    dx: torch.aten('to.dtype', dx, product),
    dGates: torch.aten('stack', columns, 1),
    weights,
    biases,
  };
};

/** Over weights that were packed before; undefined where that is not to be had. */
const packedForward = (
  torch: KernelContext,
  o: Operands,
  activation: DispatchedAttributes['activation'],
): Handle | undefined => {
  // Products of token slots go in blocks for bf16 alone.
  if (torch.precision.product !== ScalarType.bfloat16) return undefined;
  const panels = panelsOf(torch, o.given);
  if (!panels) return undefined;
  const [y] = torch.atenAll(
    'polygate::dispatched_linear_packed',
    o.x,
    o.gates,
    panels,
    o.size.outputs,
    o.biases,
    o.tokens,
    o.starts,
    o.used,
    activation === 'gelu',
  );
  return y;
};

const forward = (
  torch: KernelContext,
  o: Operands,
  { activation, keep, held = false }: DispatchedAttributes,
): { y: Handle; z: Handle | undefined } => {
  const kept = activation === 'gelu' && keep;
  const packed = held ? packedForward(torch, o, activation) : undefined;
  if (packed) return { y: packed, z: undefined };
  if (hasOwnOperators(torch)) {
    const [y, z] = torch.atenAll(
      'polygate::dispatched_linear',
      o.x,
      o.gates,
      o.weights,
      o.biases,
      o.tokens,
      o.starts,
      o.used,
      activation === 'gelu',
      kept,
    );
    return { y: y as Handle, z: kept ? z : undefined };
  }
  const sum = torch.aten('to.dtype', composeForward(torch, o), torch.precision.activation);
  const { y, kept: z } = activate(torch, sum, null, activation);
  return { y, z: kept ? z : undefined };
};

const backward = (
  torch: KernelContext,
  o: Operands,
  { dy, z }: { readonly dy: Handle; readonly z: Handle | undefined },
): Gradients => {
  if (hasOwnOperators(torch)) {
    const [dx, dGates, ...rest] = torch.atenAll(
      'polygate::dispatched_linear_backward',
      dy,
      o.x,
      o.gates,
      o.weights,
      o.biases,
      z ?? null,
      o.tokens,
      o.starts,
      o.used,
    );
    return {
      dx: dx as Handle,
      dGates: dGates as Handle,
      weights: rest.slice(0, o.used.length),
      biases: rest.slice(o.used.length),
    };
  }
  const dz = z === undefined ? dy : activationGradient(torch, dy, z);
  return composeGradient(torch, o, torch.aten('to.dtype', dz, torch.precision.product));
};

export const registerDispatchedLinear = (): void => {
  registerTorchKernel<NamedTensorInfoMap, DispatchedAttributes>(
    'PgDispatchedLinear',
    ({ inputs, attrs, torch }) => {
      const operands = operandsOf(torch, inputs, attrs);
      const { y, z } = forward(torch, operands, attrs);
      const shape = [...operands.shape, operands.size.outputs];
      return [torch.output(y, shape), ...(z === undefined ? [] : [torch.output(z, shape)])];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, DispatchedAttributes>(
    'PgDispatchedLinearGrad',
    ({ inputs, attrs, torch }) => {
      const operands = operandsOf(torch, inputs, attrs);
      const z = inputs['z'] as TensorInfo | undefined;
      const { dx, dGates, weights, biases } = backward(torch, operands, {
        dy: rows(torch, required(inputs, 'dy')),
        z: z && rows(torch, z),
      });
      const { inputs: width, outputs } = operands.size;
      return [
        torch.output(dx, [...operands.shape, width]),
        torch.output(dGates, required(inputs, 'gates').shape),
        ...weights.flatMap((weight, at) => [
          torch.output(weight, [outputs, width]),
          torch.output(biases[at] as Handle, [outputs]),
        ]),
      ];
    },
  );
};
