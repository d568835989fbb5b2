/**
 * PgConditionalLinear, PgConditionalLinearGrad and PgMergeExperts: merged experts in one pass over their float32
 * weights, written straight in the policy's product type; one product per span; the weight gradient of each row shared
 * out to experts and gates in one pass.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import type { ScalarType } from '../native/scalar-types.ts';
import { activate, columnSums } from './activation.ts';
import { transposedProduct, weightGradient } from './linear.ts';
import { exactOf, hasOwnOperators } from './operand.ts';

interface Span {
  readonly row: number;
  readonly start: number;
  readonly length: number;
}

interface Choices {
  /** Ids of the used experts, ascending; the inputs weight0, bias0, ... are theirs. */
  readonly used: readonly number[];
  /** Expert ids of each gate row; empty for rows that are not computed. */
  readonly chosen: readonly (readonly number[])[];
}

interface ConditionalAttributes extends Choices {
  readonly segments: readonly Span[];
}

const experts = (
  torch: KernelContext,
  inputs: NamedTensorInfoMap,
  { used }: Choices,
  name: 'weight' | 'bias',
): Handle[] => used.map((_, at) => exactOf(torch, required(inputs, `${name}${at}`)));

/** The choices as the operators take them: numbers of used experts in a row, and where each row ends. */
const flatten = ({ used, chosen }: Choices): { flat: number[]; ends: number[] } => {
  const flat: number[] = [];
  const ends = chosen.map((ids) => {
    for (const id of ids) flat.push(used.indexOf(id));
    return flat.length;
  });
  return { flat, ends };
};

/** One merged tensor for each row that chose experts. */
const merge = (
  torch: KernelContext,
  gates: Handle,
  sources: readonly Handle[],
  choices: Choices,
  type: ScalarType,
): Handle[] => {
  const { used, chosen } = choices;
  const { flat, ends } = flatten(choices);
  if (hasOwnOperators(torch))
    return torch.atenAll('polygate::merge_experts', sources, gates, used, flat, ends, type);
  return chosen.flatMap((ids, row) => {
    if (ids.length === 0) return [];
    const gateRow = torch.aten('select.int', gates, 0, row);
    const terms = ids.map((id) =>
      torch.aten('mul.Tensor', sources[used.indexOf(id)] as Handle, torch.aten('select.int', gateRow, 0, id)),
    );
    const sum = terms.reduce((total, term) => torch.aten('add.Tensor', total, term));
    return [torch.aten('to.dtype', sum, type)];
  });
};

/** Shares row gradients out: the experts' gradients, and those of the gates. */
const share = (
  torch: KernelContext,
  rows: readonly Handle[],
  sources: readonly Handle[],
  { gates, choices }: { gates: Handle; choices: Choices },
): { gradients: Handle[]; dGates: Handle } => {
  const { used, chosen } = choices;
  const { flat, ends } = flatten(choices);
  if (hasOwnOperators(torch)) {
    const all = torch.atenAll('polygate::share_gradient', rows, sources, gates, used, flat, ends);
    return { gradients: all.slice(0, used.length), dGates: all[used.length] as Handle };
  }
  const { exact } = torch.precision;
  const gradients: (Handle | undefined)[] = used.map(() => undefined);
  const dGates = torch.aten('zeros_like', gates);
  let active = 0;
  chosen.forEach((ids, row) => {
    if (ids.length === 0) return;
    const gradient = torch.aten('to.dtype', rows[active++] as Handle, exact);
    for (const id of ids) {
      const at = used.indexOf(id);
      const gate = torch.aten('select.int', torch.aten('select.int', gates, 0, row), 0, id);
      const term = torch.aten('mul.Tensor', gradient, gate);
      const before = gradients[at];
      gradients[at] = before === undefined ? term : torch.aten('add.Tensor', before, term);
      const along = torch.aten('sum', torch.aten('mul.Tensor', gradient, sources[at] as Handle));
      torch.aten('copy_', torch.aten('select.int', torch.aten('select.int', dGates, 0, row), 0, id), along);
    }
  });
  return { gradients: gradients as Handle[], dGates };
};

/** The tokens of a span as a matrix [B * length, D]; a span of all tokens is a view. */
const spanRows = (torch: KernelContext, x: Handle, span: Span, [batch, , width]: readonly number[]): Handle =>
  torch.aten('reshape', torch.aten('slice.Tensor', x, 1, span.start, span.start + span.length, 1), [
    (batch ?? 0) * span.length,
    width ?? 0,
  ]);

const joinSpans = (torch: KernelContext, parts: readonly Handle[], batch: number, width: number): Handle => {
  const shaped = parts.map((part) => torch.aten('reshape', part, [batch, -1, width]));
  return shaped.length === 1 ? (shaped[0] as Handle) : torch.aten('cat', shaped, 1);
};

export const registerConditionalLinear = (): void => {
  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinear',
    ({ inputs, attrs, torch }) => {
      const { product, exact } = torch.precision;
      const x = required(inputs, 'x');
      const [batch = 0, length = 0] = x.shape;
      const gates = torch.tensorOf(required(inputs, 'gates'), exact);
      const weights = merge(torch, gates, experts(torch, inputs, attrs, 'weight'), attrs, product);
      const biases = merge(torch, gates, experts(torch, inputs, attrs, 'bias'), attrs, exact);
      const [outputs = 0] = required(inputs, 'weight0').shape;
      const active = activeRows(attrs);
      const source = torch.tensorOf(x, product);
      const parts = attrs.segments.flatMap((span) => {
        if (span.length === 0) return [];
        const at = active.indexOf(span.row);
        const z = transposedProduct(torch, spanRows(torch, source, span, x.shape), weights[at] as Handle);
        return [activate(torch, z, { bias: biases[at] as Handle, activation: 'none' }).y];
      });
      const y = joinSpans(torch, parts, batch, outputs);
      return [
        torch.output(y, [batch, length, outputs]),
        ...weights.map((weight) => torch.output(weight, required(inputs, 'weight0').shape)),
      ];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { product, exact } = torch.precision;
      const dy = required(inputs, 'dy');
      const x = required(inputs, 'x');
      const gatesInfo = required(inputs, 'gates');
      const gates = torch.tensorOf(gatesInfo, exact);
      const [batch = 0, , width = 0] = x.shape;
      const active = activeRows(attrs);
      const merged = active.map((_, at) => torch.tensorOf(required(inputs, `merged${at}`), product));
      const g = torch.tensorOf(dy, product);
      const source = torch.tensorOf(x, product);
      const spans = attrs.segments.filter((span) => span.length > 0);
      const gradientsOf = spans.map((span) => spanRows(torch, g, span, dy.shape));
      const tokensOf = spans.map((span) => spanRows(torch, source, span, x.shape));
      const dx = joinSpans(
        torch,
        spans.map((span, at) =>
          torch.aten('mm', gradientsOf[at] as Handle, merged[active.indexOf(span.row)] as Handle),
        ),
        batch,
        width,
      );
      const rowWeights: Handle[] = [];
      const rowBiases: Handle[] = [];
      for (const row of active) {
        const own = spans.flatMap((span, at) => (span.row === row ? [at] : []));
        const stack = (parts: readonly Handle[]): Handle => {
          const chosen = own.map((at) => parts[at] as Handle);
          return chosen.length === 1 ? (chosen[0] as Handle) : torch.aten('cat', chosen, 0);
        };
        const dz = stack(gradientsOf);
        rowWeights.push(
          hasOwnOperators(torch)
            ? torch.aten('mm', torch.aten('t', dz), stack(tokensOf))
            : weightGradient(torch, dz, stack(tokensOf)),
        );
        rowBiases.push(columnSums(torch, dz));
      }
      const forWeights = share(torch, rowWeights, experts(torch, inputs, attrs, 'weight'), {
        gates,
        choices: attrs,
      });
      const forBiases = share(torch, rowBiases, experts(torch, inputs, attrs, 'bias'), {
        gates,
        choices: attrs,
      });
      const dGates = torch.aten('add.Tensor', forWeights.dGates, forBiases.dGates);
      const outputs: TensorInfo[] = [torch.output(dx, x.shape), torch.output(dGates, gatesInfo.shape)];
      attrs.used.forEach((_, at) => {
        outputs.push(torch.output(forWeights.gradients[at] as Handle, required(inputs, `weight${at}`).shape));
        outputs.push(torch.output(forBiases.gradients[at] as Handle, required(inputs, `bias${at}`).shape));
      });
      return outputs;
    },
  );

  registerTorchKernel<NamedTensorInfoMap, Choices>('PgMergeExperts', ({ inputs, attrs, torch }) => {
    const { exact } = torch.precision;
    const gates = torch.tensorOf(required(inputs, 'gates'), exact);
    const weights = merge(torch, gates, experts(torch, inputs, attrs, 'weight'), attrs, exact);
    const biases = merge(torch, gates, experts(torch, inputs, attrs, 'bias'), attrs, exact);
    return weights.flatMap((weight, at) => [
      torch.output(weight, required(inputs, 'weight0').shape),
      torch.output(biases[at] as Handle, required(inputs, 'bias0').shape),
    ]);
  });
};

/** Rows that chose experts, in order: those that have merged weights. */
const activeRows = ({ chosen }: Choices): number[] =>
  chosen.flatMap((ids, row) => (ids.length > 0 ? [row] : []));
