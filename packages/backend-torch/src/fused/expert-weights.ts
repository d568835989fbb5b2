/**
 * Experts to merged weights and back: W_r = sum_e g[r, e] W_e in one pass over the experts, and the gradients of experts
 * and gates from those of the merged weights. Axes: R gate rows · E experts.
 */
import type { NamedTensorInfoMap } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import type { ScalarType } from '../native/scalar-types.ts';
import { hasOwnOperators } from './operand.ts';

export interface Choices {
  /** Ids of the used experts, ascending; the inputs weight0, bias0, ... are theirs. */
  readonly used: readonly number[];
  /** Expert ids of each gate row; empty for rows that are not computed. */
  readonly chosen: readonly (readonly number[])[];
}

/** The weights or biases of the used experts, float32. */
export const expertsOf = (
  torch: KernelContext,
  inputs: NamedTensorInfoMap,
  { used }: Choices,
  name: 'weight' | 'bias',
): Handle[] => used.map((_, at) => torch.tensorOf(required(inputs, `${name}${at}`), torch.precision.exact));

/** The choices as the operators take them: numbers of used experts in a row, and where each row ends. */
export const flatten = ({ used, chosen }: Choices): { flat: number[]; ends: number[] } => {
  const flat: number[] = [];
  const ends = chosen.map((ids) => {
    for (const id of ids) flat.push(used.indexOf(id));
    return flat.length;
  });
  return { flat, ends };
};

const gateOf = (torch: KernelContext, gates: Handle, row: number, expert: number): Handle =>
  torch.aten('select.int', torch.aten('select.int', gates, 0, row), 0, expert);

/**
 * One merged tensor of `type` for each row that chose experts.
 * @param gates float32 [R, E]
 * @param sources float32 tensors of one shape, those of the used experts
 */
export const mergeRows = (
  torch: KernelContext,
  gates: Handle,
  sources: readonly Handle[],
  { choices, type }: { readonly choices: Choices; readonly type: ScalarType },
): Handle[] => {
  const { used, chosen } = choices;
  if (hasOwnOperators(torch)) {
    const { flat, ends } = flatten(choices);
    return torch.atenAll('polygate::merge_experts', sources, gates, used, flat, ends, type);
  }
  return chosen.flatMap((ids, row) => {
    if (ids.length === 0) return [];
    const terms = ids.map((id) =>
      torch.aten('mul.Tensor', sources[used.indexOf(id)] as Handle, gateOf(torch, gates, row, id)),
    );
    const sum = terms.reduce((total, term) => torch.aten('add.Tensor', total, term));
    return [torch.aten('to.dtype', sum, type)];
  });
};

/**
 * Shares gradients of merged rows out: the experts' gradients, and those of the gates [R, E]. Composed: on the CPU it is
 * part of a call.
 */
export const shareRows = (
  torch: KernelContext,
  rows: readonly Handle[],
  sources: readonly Handle[],
  { gates, choices }: { readonly gates: Handle; readonly choices: Choices },
): { readonly gradients: readonly Handle[]; readonly dGates: Handle } => {
  const { used, chosen } = choices;
  const gradients: (Handle | undefined)[] = used.map(() => undefined);
  const dGates = torch.aten('zeros_like', gates);
  let active = 0;
  chosen.forEach((ids, row) => {
    if (ids.length === 0) return;
    const gradient = rows[active++] as Handle;
    for (const id of ids) {
      const at = used.indexOf(id);
      const term = torch.aten('mul.Tensor', gradient, gateOf(torch, gates, row, id));
      const before = gradients[at];
      gradients[at] = before === undefined ? term : torch.aten('add.Tensor', before, term);
      const along = torch.aten('sum', torch.aten('mul.Tensor', gradient, sources[at] as Handle));
      torch.aten('copy_', gateOf(torch, dGates, row, id), along);
    }
  });
  return { gradients: gradients as Handle[], dGates };
};
