/**
 * The linear layers of the blocks, in the three ways in which they are computed: dense; as experts with the decision of
 * their row, which lets gradients through; and as weights that were merged before.
 */
import type { ParameterSet } from '@polygate/nn';
import type { GateDecision } from '@polygate/routers';
import {
  conditionalLinear,
  gelu,
  linear,
  segmentLinear,
  type LinearExpert,
  type SegmentSpan,
} from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import { gateSites, type BlockLinear } from './placement.ts';
import { matrixOf, vectorOf } from './parameter-access.ts';
import type { ResolvedEncoderConfig } from './config.ts';

/** Which linear of which block. */
export interface LinearPlace {
  readonly block: number;
  readonly linear: BlockLinear;
}

/** Where the weights of the conditional linears of one forward come from. */
export type ConditionalWeights =
  | { readonly kind: 'none' }
  /** One decision per site, over the rows that the spans name. */
  | { readonly kind: 'decided'; readonly decisions: readonly GateDecision[] }
  /** Merged weights of a linear, one for each row that the spans name. */
  | { readonly kind: 'merged'; readonly of: (place: LinearPlace) => readonly LinearExpert[] };

/** Settings of one application. */
interface ApplyOptions {
  readonly weights: ConditionalWeights;
  readonly spans: readonly SegmentSpan[];
  /** @default 'none' */
  readonly activation?: 'none' | 'gelu';
}

/** Dotted path of a linear's parameters. */
export const pathOf = ({ block, linear: name }: LinearPlace): string => `blocks.${block}.${name}`;

/** The linears of an encoder's blocks, looked up once; the variables are borrowed from the set. */
export interface BlockWeights {
  /** Index of the router that decides for a linear; undefined for a dense one. */
  site(place: LinearPlace): number | undefined;
  /** All experts of a conditional linear. */
  experts(place: LinearPlace): readonly LinearExpert[];
  /** y = act(x W^T + b) with the weights of each token's row, [B, L, I] -> [B, L, O]. */
  apply(x: tf.Tensor3D, place: LinearPlace, options: ApplyOptions): tf.Tensor3D;
}

export const blockWeights = (config: ResolvedEncoderConfig, parameters: ParameterSet): BlockWeights => {
  const sites = new Map<string, number>();
  for (const [site, { block, linears }] of gateSites(config).entries()) {
    for (const name of linears) sites.set(pathOf({ block, linear: name }), site);
  }
  const pair = (path: string): LinearExpert => ({
    weight: matrixOf(parameters, `${path}.weight`),
    bias: vectorOf(parameters, `${path}.bias`),
  });
  const site = (place: LinearPlace): number | undefined => sites.get(pathOf(place));
  const experts = (place: LinearPlace): readonly LinearExpert[] =>
    Array.from({ length: config.moe?.experts ?? 0 }, (_, e) => pair(`${pathOf(place)}.experts.${e}`));

  const apply = (x: tf.Tensor3D, place: LinearPlace, options: ApplyOptions): tf.Tensor3D => {
    const { weights, spans, activation = 'none' } = options;
    const own = site(place);
    if (own === undefined || weights.kind === 'none') {
      const { weight, bias } = pair(pathOf(place));
      return linear(x, weight, bias, { activation }) as tf.Tensor3D;
    }
    let y: tf.Tensor3D;
    if (weights.kind === 'decided') {
      const { gates, chosen } = weights.decisions[own] as GateDecision;
      y = conditionalLinear(x, { gates, chosen, experts: experts(place), segments: spans });
    } else {
      const merged = weights.of(place);
      const [only] = spans;
      const single = spans.length === 1 && only ? merged[only.row] : undefined;
      // One row for the whole sequence: a plain linear, which can fuse its activation.
      if (single) return linear(x, single.weight, single.bias, { activation }) as tf.Tensor3D;
      y = segmentLinear(x, merged, spans);
    }
    return activation === 'gelu' ? gelu(y) : y;
  };
  return { site, experts, apply };
};
