/**
 * PgTokenChoice, PgDecidedGates and PgTokenChoiceGrad: what routers of tokens decide, in native calls
 * (native/operators/token_choice.cc). They read and write host memory wherever the model lies: decisions are made of the
 * few numbers of a router, and dispatching needs them on the host.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf } from './operand.ts';

interface ChoiceAttributes {
  /** Most experts of a token, and those of the token at each position of a sequence where they differ. */
  readonly topK: number;
  readonly topKs: readonly number[];
  /** Least number of choices whose gates are divided by their sum. */
  readonly divideFrom: number;
  /** Slots of an expert. */
  readonly capacity: number;
  /** Order of the slots: the i-th token is the one at (first + i * stride) mod N. */
  readonly first: number;
  readonly stride: number;
  readonly noise: number;
  readonly words: readonly number[];
  /** Whether the gates, and the chances to be chosen, are summed up for each expert. */
  readonly sumGates: boolean;
  readonly sumChances: boolean;
}

interface GradientAttributes {
  readonly divideFrom: number;
  readonly shares: readonly number[];
  readonly counted: number;
  readonly noise: number;
  /** [R, E] slopes of the further losses to the sums of each expert, and [R] whether those are of gates, or of chances. */
  readonly slopes: readonly number[];
  readonly ofGates: readonly number[];
  readonly ofChances: readonly number[];
}

interface DecidedAttributes {
  readonly gates: TensorInfo;
  readonly losses: readonly number[];
}

/** In the order of native/operators/token_choice.cc. */
type HandlesOfChoice = [
  gates: Handle,
  ids: Handle,
  weights: Handle,
  kept: Handle,
  probabilities: Handle,
  logSums: Handle,
  totals: Handle,
  slots: Handle,
  sums: Handle,
  rivals: Handle,
  next: Handle,
];

const moved = (torch: KernelContext, handle: Handle, device: string): Handle =>
  torch.device === 'cpu'
    ? handle
    : torch.aten('to.device', handle, device, torch.dispatcher.dtypeOf(handle), false, false);

const exactOnHost = (torch: KernelContext, info: TensorInfo): Handle =>
  moved(torch, exactOf(torch, info), 'cpu');

const storedOnHost = (torch: KernelContext, info: TensorInfo): Handle =>
  moved(torch, torch.aten('contiguous', torch.storedTensorOf(info)), 'cpu');

/** Back to where the model lies. */
const returned = (torch: KernelContext, handle: Handle): Handle => moved(torch, handle, torch.device);

export const registerTokenChoice = (): void => {
  registerTorchKernel<NamedTensorInfoMap, ChoiceAttributes>('PgTokenChoice', ({ inputs, attrs, torch }) => {
    const logits = required(inputs, 'logits');
    const visible = inputs['visible'] as TensorInfo | undefined;
    const { topK, topKs, divideFrom, capacity, first, stride, noise, words, sumGates, sumChances } = attrs;
    const [count = 0, experts = 0] = logits.shape;
    const [gates, ids, weights, kept, probabilities, logSums, totals, slots, sums, rivals, next] =
      torch.atenAll(
        'polygate::token_choice',
        exactOnHost(torch, logits),
        visible === undefined ? null : exactOnHost(torch, visible),
        topK,
        topKs,
        divideFrom,
        capacity,
        first,
        stride,
        noise,
        words,
        sumGates,
        sumChances,
      ) as HandlesOfChoice;
    const [served = 0] = torch.dispatcher.describe(slots).shape;
    const watched = sumChances ? count : 0;
    return [
      torch.output(returned(torch, gates), [count, experts]),
      torch.output(returned(torch, ids), [count, topK], 'int32'),
      torch.output(returned(torch, weights), [count, topK]),
      torch.output(returned(torch, kept), [count, topK], 'bool'),
      torch.output(returned(torch, probabilities), [count, experts]),
      torch.output(returned(torch, logSums), [count]),
      torch.output(returned(torch, totals), [2 * experts + 1]),
      torch.output(returned(torch, slots), [served], 'int32'),
      torch.output(returned(torch, sums), [2 * experts * (Number(sumGates) + Number(sumChances))], 'int32'),
      torch.output(returned(torch, rivals), [watched, 2]),
      torch.output(returned(torch, next), [watched], 'int32'),
    ];
  });

  registerTorchKernel<NamedTensorInfoMap, DecidedAttributes>('PgDecidedGates', ({ attrs, torch }) => [
    torch.share(attrs.gates, attrs.gates.shape),
    torch.output(torch.constant(Float32Array.from(attrs.losses), [attrs.losses.length]), [
      attrs.losses.length,
    ]),
  ]);

  registerTorchKernel<NamedTensorInfoMap, GradientAttributes>(
    'PgTokenChoiceGrad',
    ({ inputs, attrs, torch }) => {
      const dy = required(inputs, 'dy');
      const gradient = torch.aten(
        'polygate::token_choice_backward',
        exactOnHost(torch, dy),
        exactOnHost(torch, required(inputs, 'losses')),
        exactOnHost(torch, required(inputs, 'logits')),
        exactOnHost(torch, required(inputs, 'probabilities')),
        exactOnHost(torch, required(inputs, 'logSums')),
        storedOnHost(torch, required(inputs, 'ids')),
        exactOnHost(torch, required(inputs, 'weights')),
        storedOnHost(torch, required(inputs, 'kept')),
        exactOnHost(torch, required(inputs, 'rivals')),
        storedOnHost(torch, required(inputs, 'next')),
        attrs.divideFrom,
        attrs.shares,
        attrs.counted,
        attrs.noise,
        attrs.slopes,
        attrs.ofGates,
        attrs.ofChances,
      );
      return torch.output(returned(torch, gradient), dy.shape);
    },
  );
};
