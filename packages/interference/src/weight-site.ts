/** Which weights interference is measured on: one linear of one block, dense or with experts. */
import { ConfigError, unknownName } from '@polygate/core';
import type { BlockLinear } from '@polygate/encoder';
import type { ParameterEntry, ParameterSet } from '@polygate/nn';

/** The linears of a block by their names in parameter paths. */
const blockLinears: readonly BlockLinear[] = Object.freeze([
  'attention.qkv',
  'attention.output',
  'ffn.fc1',
  'ffn.fc2',
]);

/** The weight of a linear: one matrix, or one per expert. Biases are no part of it, as in the paper's measurement. */
export interface WeightSite {
  /** Counted from 1, as the paper counts. */
  readonly layer: number;
  readonly linear: BlockLinear;
  /** The matrix, or those of all experts in their order; the variables are borrowed. */
  readonly weights: readonly ParameterEntry[];
  /** Experts; 0 for a dense linear. */
  readonly experts: number;
}

export interface SiteOptions {
  /** Counted from 1. @default a shallow and a deep one: the layer a third of the way up, and the last */
  readonly layers?: readonly number[];
  /** @default the second linear of the feed-forward part */
  readonly linears?: readonly string[];
}

/**
 * The paper's choice: layers 4 and 12 of 12.
 * @returns layers counted from 1, once each
 */
const defaultLayers = (layers: number): readonly number[] => [...new Set([Math.ceil(layers / 3), layers])];

/** Layers of a model: blocks by the names of their parameters, `blocks.0` and on. */
export const layersOf = (parameters: Pick<ParameterSet, 'specs'>): number =>
  new Set(parameters.specs.flatMap(({ name }) => /^blocks\.\d+\./u.exec(name) ?? [])).size;

/**
 * Sites by layer and then linear.
 * @throws ConfigError for a layer or linear that the model lacks, and for one whose experts were merged for good
 */
export const weightSites = (parameters: ParameterSet, options: SiteOptions = {}): readonly WeightSite[] => {
  const count = layersOf(parameters);
  if (count === 0) {
    throw new ConfigError(
      'interference: expected a model with blocks (parameters blocks.0 and on), whose linears tasks share, got one without; it can be measured for such models alone',
      { code: 'no-layers' },
    );
  }
  const { layers = defaultLayers(count), linears = ['ffn.fc2'] } = options;
  for (const layer of layers) {
    if (!Number.isInteger(layer) || layer < 1 || layer > count) {
      throw new ConfigError(
        `interference: expected layers from 1 to ${count}, got ${layer}; layers are counted from 1`,
        { fields: { layer, layers: count } },
      );
    }
  }
  const names: readonly string[] = blockLinears;
  for (const name of linears) if (!names.includes(name)) throw unknownName('linear', name, names);
  return layers.flatMap((layer) =>
    (linears as readonly BlockLinear[]).map((linear) => {
      const path = `blocks.${layer - 1}.${linear}`;
      const entries = parameters.entries();
      const dense = entries.filter(({ name }) => name === `${path}.weight`);
      const experts = entries.filter(
        ({ name }) => name.startsWith(`${path}.experts.`) && name.endsWith('.weight'),
      );
      const weights = dense.length > 0 ? dense : experts;
      if (weights.length === 0) {
        throw new ConfigError(
          `interference: expected weights that training updates at layer ${layer}, ${linear}, got experts that were merged for good; give the run that they come from`,
          { fields: { layer, linear } },
        );
      }
      return { layer, linear, weights, experts: experts.length };
    }),
  );
};
