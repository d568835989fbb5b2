/**
 * Groups of parameters that are updated at a rate, or with a weight decay, of their own. The rules are plain records, so
 * that a recipe can say them; a parameter may be in several groups, or in none.
 */
import { ConfigError } from '@polygate/core';
import { predicateOf, selectSpecs, type ParameterRule } from './parameter-rules.ts';
import type { ParameterSpec } from './parameter-spec.ts';

/** One group: a rule, and what holds for the parameters that it selects. */
export interface ParameterGroup extends ParameterRule {
  /** Factor on the learning rate, at least 0; those of several groups multiply. @default 1 */
  readonly rate?: number;
  /**
   * Weight decay of all parameters of the group, whatever their role; of several groups the last one that says it
   * counts. @default the optimizer's for role `weight`, 0 for others
   */
  readonly weightDecay?: number;
}

/** What holds for one parameter. */
export interface GroupSettings {
  readonly rate: number;
  readonly weightDecay: number;
}

const checkAmount = (group: ParameterGroup, name: 'rate' | 'weightDecay'): void => {
  const value = group[name];
  if (value === undefined || (value >= 0 && value < Infinity)) return;
  throw new ConfigError(`parameter group: expected ${name} of at least 0, got ${value}; 0 switches it off`, {
    fields: { [name]: value },
  });
};

/**
 * Rate and decay of each parameter by name.
 * @param weightDecay the optimizer's own, for role `weight`
 * @throws ConfigError for a number below 0, and for a group that selects no parameter
 */
export const groupSettings = (
  specs: readonly ParameterSpec[],
  groups: readonly ParameterGroup[],
  weightDecay: number,
): ReadonlyMap<string, GroupSettings> => {
  for (const group of groups) {
    checkAmount(group, 'rate');
    checkAmount(group, 'weightDecay');
    selectSpecs(specs, group, 'parameter group');
  }
  const tests = groups.map((group) => ({ group, isIn: predicateOf(group) }));
  return new Map(
    specs.map((spec) => {
      const settings = { rate: 1, weightDecay: spec.role === 'weight' ? weightDecay : 0 };
      for (const { group, isIn } of tests) {
        if (!isIn(spec)) continue;
        settings.rate *= group.rate ?? 1;
        settings.weightDecay = group.weightDecay ?? settings.weightDecay;
      }
      return [spec.name, settings];
    }),
  );
};

/** Settings of {@link layerDecayGroups}. */
export interface LayerDecayOptions {
  /** Factor from one layer to the one below it, in (0, 1]. */
  readonly decay: number;
  /**
   * Layer of a parameter, from 0 for the lowest; layers need not follow each other.
   * @default 0 for embeddings, 1 + N for what is below a number N in the name (`blocks.N.`), one more than all for the rest
   */
  readonly layerOf?: (spec: ParameterSpec) => number;
}

const byName = (specs: readonly ParameterSpec[]): ((spec: ParameterSpec) => number) => {
  const numbered = ({ name }: ParameterSpec): number | undefined => {
    const number = /(?:^|\.)(\d+)\./u.exec(name)?.[1];
    return number === undefined ? undefined : 1 + Number(number);
  };
  const top = 1 + Math.max(0, ...specs.map((spec) => numbered(spec) ?? 0));
  return (spec) =>
    numbered(spec) ?? (/^embedding(?:s)?\./u.test(spec.name) || spec.role === 'embedding' ? 0 : top);
};

/**
 * Layer-wise decay of the rate, as fine-tuning uses it (Clark et al. 2020, section 2.2; BEiT): the topmost layer learns
 * at the full rate, each one below at `decay` times that of the next above.
 * @returns a group for each layer
 * @throws ConfigError for a decay out of range
 */
export const layerDecayGroups = (
  specs: readonly ParameterSpec[],
  { decay, layerOf = byName(specs) }: LayerDecayOptions,
): readonly ParameterGroup[] => {
  if (!(decay > 0 && decay <= 1)) {
    throw new ConfigError(
      `layer decay: expected a factor in (0, 1], got ${decay}; 1 is the same rate for all`,
      {
        fields: { decay },
      },
    );
  }
  const layers = new Map<number, string[]>();
  for (const spec of specs) {
    const layer = layerOf(spec);
    layers.set(layer, [...(layers.get(layer) ?? []), spec.name]);
  }
  const top = Math.max(...layers.keys());
  return [...layers].map(([layer, names]) => ({ names, rate: decay ** (top - layer) }));
};
