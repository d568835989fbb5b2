/**
 * Groups of experts: which linears of which blocks are replaced by experts, and how their routers choose. An encoder may
 * have several with other conditions (attention by modality, feed-forward by task); a linear belongs to one at most.
 * Plain JSON.
 */
import { attributeSchema, PAPER_GROUPS } from '@polygate/attributes';
import { ConfigError, excerpt, ownValue, unknownName } from '@polygate/core';
import { check, checkFields, checkWhole, type FieldType } from '@polygate/modalities';
import { auxiliaryLossNamed, createCondition, type Condition, type RoutingKey } from '@polygate/routers';
import type { BlockLinear, LinearSpec } from '../blocks/linears.ts';
import { ENCODER_LIMITS } from './limits.ts';

/** Slots per expert as a multiple of an even load; see `routeTokens` of @polygate/routers. */
export interface CapacityFactors {
  /** @default 1 */
  readonly train?: number;
  /** @default 2 */
  readonly evaluate?: number;
}

/** How the routers of a group choose, and among how many. */
export interface GroupSettings {
  /** Experts per linear layer. @default 8; the number of tasks for `task-specific` */
  readonly experts?: number;
  /** Experts that a decision chooses. @default 2; 1 for `task-specific` */
  readonly topK?: number;
  /** The same for tokens of some modalities, by their names. @default topK for all */
  readonly topKByModality?: Readonly<Record<string, number>>;
  /**
   * What the routers look at: `attribute`, `modality`, `task`, `token`, `context`, the baseline `task-specific`, or a
   * condition that another package registered with @polygate/routers. @default 'attribute'
   */
  readonly condition?: string;
  /** Settings of the condition itself, checked by its own schema. @default none */
  readonly conditionSettings?: Readonly<Record<string, unknown>>;
  /**
   * Whether the gates of the chosen experts are divided by their sum. A single one would always be 1, and its router
   * would learn nothing. @default for tokens that choose more than one expert, whatever the others do
   */
  readonly renormalize?: boolean;
  /** Standard deviation of the training noise on gate logits, in units of 1 / experts. @default 1 */
  readonly noise?: number;
  /** Conditions on tokens only: slots per expert, or `dropless` for as many as are chosen. @default 1 and 2 */
  readonly capacityFactor?: CapacityFactors | 'dropless';
  /** Conditions on tokens only: whether likelier choices get their slots first, whatever their position. @default false */
  readonly batchPriority?: boolean;
  /**
   * Conditions on tokens only: factors of the auxiliary losses of each router, by name.
   * @default balance 0.01 (Uni-Perceiver-MoE, section 4.2) and z 1e-3 (ST-MoE; the paper has none, 0 turns it off)
   */
  readonly losses?: Readonly<Record<string, number>>;
  /**
   * Conditions on tokens only: whether the linears that follow one router are one function f_e each, weighed at its end,
   * y = sum_e g_e f_e(x) (SM^4, Eq. 1 and 2). By default every linear weighs its own output, as merging needs it; where
   * a router has one linear both are the same. @default false
   */
  readonly wholeExperts?: boolean;
}

/** Blocks that a group is in. */
export interface BlockRange {
  /** Every n-th, counted from `first`. @default 1 */
  readonly every?: number;
  /** @default 0 */
  readonly first?: number;
  /** Inclusive. @default the last block */
  readonly last?: number;
}

/** A group of experts. */
export interface ExpertGroupConfig extends GroupSettings {
  /** Lower-case letters, digits and hyphens; parameters of its routers are called `routers.NAME.*`. */
  readonly name: string;
  /**
   * The routers of a block: each entry is a linear, a pattern such as `attention.*`, or a list of those, which all follow
   * the decision of one router.
   */
  readonly linears: readonly (string | readonly string[])[];
  /** Numbers from 0, or a range. @default all blocks */
  readonly blocks?: readonly number[] | BlockRange;
}

/** A checked group with nothing left open. */
export interface ExpertGroup extends Required<
  Omit<GroupSettings, 'capacityFactor' | 'renormalize' | 'wholeExperts'>
> {
  readonly name: string;
  /** Ascending. */
  readonly blocks: readonly number[];
  /** Linears of a block by router, in the order in which tokens pass them. */
  readonly linears: readonly (readonly BlockLinear[])[];
  readonly capacityFactor: Required<CapacityFactors> | 'dropless';
  /** Absent where it follows the number of experts that a token chooses. */
  readonly renormalize?: boolean;
  /** Present where gates weigh whole experts. */
  readonly wholeExperts?: true;
}

/** Experts that the tokens of a modality choose in a group. */
export const topKIn = (
  { topK, topKByModality }: Pick<ExpertGroup, 'topK' | 'topKByModality'>,
  modality: string,
): number => ownValue(topKByModality, modality) ?? topK;

/** What groups are checked against. */
export interface GroupContext {
  readonly layers: number;
  readonly linears: readonly LinearSpec[];
  readonly tasks: readonly string[];
  readonly modalities: readonly string[];
  /** Groups of attribute bits, in their order. @default the paper's */
  readonly attributes?: readonly string[];
}

/** Names that conditions may route by. */
export type ConditionNames = Pick<GroupContext, 'tasks' | 'modalities' | 'attributes'>;

/** The condition that the routers of a group share. @throws ConfigError for one that lacks what it needs */
export const conditionOf = (
  {
    condition,
    conditionSettings: settings = {},
  }: Pick<GroupSettings, 'conditionSettings'> & { readonly condition: string },
  { tasks, modalities, attributes = PAPER_GROUPS }: ConditionNames,
): Condition<RoutingKey> =>
  createCondition(condition, { tasks, modalities, attributes: attributeSchema(attributes), settings });

/** Settings of a group that configurations may say, by the type of their values. */
export const groupFields = {
  experts: 'number',
  topK: 'number',
  topKByModality: 'object',
  condition: 'text',
  conditionSettings: 'object',
  renormalize: 'boolean',
  noise: 'number',
  batchPriority: 'boolean',
  losses: 'object',
  wholeExperts: 'boolean',
} satisfies Record<keyof Omit<GroupSettings, 'capacityFactor'>, FieldType>;

const resolveCapacity = (
  given: GroupSettings['capacityFactor'] = {},
  field: string,
): ExpertGroup['capacityFactor'] => {
  if (given === 'dropless') return given;
  checkFields(given, field, { train: 'number', evaluate: 'number' });
  const factors = { train: 1, evaluate: 2, ...given };
  for (const [phase, factor] of Object.entries(factors)) {
    check(factor > 0 && factor < Infinity, `${field}.${phase}`, [
      'to be above 0 (1 holds an even load; "dropless" holds any)',
      factor,
    ]);
  }
  return factors;
};

const checkTopK = (
  field: string,
  topK: number,
  { experts, path }: { experts: number; path: string },
): void => {
  checkWhole(field, topK, { most: ENCODER_LIMITS.experts });
  if (topK <= experts) return;
  throw new ConfigError(
    `encoder: expected ${field} to be at most ${path}.experts (${experts}), got ${topK}; lower ${field} or raise ${path}.experts`,
    { fields: { topK, experts } },
  );
};

/** The default factors of auxiliary losses. */
export const DEFAULT_LOSSES: Readonly<Record<string, number>> = Object.freeze({ balance: 0.01, z: 1e-3 });

/** How routers choose, with nothing left open. */
export type ResolvedGroupSettings = Omit<ExpertGroup, 'name' | 'blocks' | 'linears'>;

/**
 * Fills in the defaults and checks how the routers of a group choose.
 * @param path what errors call the group, e.g. `moe` or `moe.groups.query`
 * @throws ConfigError naming the field, what it expects and what it got; an unknown condition lists the known ones
 */
export const resolveGroupSettings = (
  given: GroupSettings,
  path: string,
  context: ConditionNames,
): ResolvedGroupSettings => {
  checkFields(given, path, groupFields);
  const { condition: name = 'attribute', conditionSettings = {}, topKByModality = {} } = given;
  const condition = conditionOf({ condition: name, conditionSettings }, context);
  const fixed = condition.dataIndependent && condition.fixed === true ? condition.experts : undefined;
  const {
    experts = fixed ?? 8,
    topK = fixed === undefined ? 2 : 1,
    noise = 1,
    losses = DEFAULT_LOSSES,
    // A given decision has the gate 1.
    renormalize = fixed === undefined ? undefined : true,
  } = given;
  checkWhole(`${path}.experts`, experts, { most: ENCODER_LIMITS.experts });
  checkTopK(`${path}.topK`, topK, { experts, path });
  for (const [modality, count] of Object.entries(topKByModality)) {
    if (!context.modalities.includes(modality)) {
      throw unknownName(`modality of ${path}.topKByModality`, modality, context.modalities);
    }
    checkTopK(`${path}.topKByModality.${modality}`, count, { experts, path });
  }
  if (fixed !== undefined && (experts !== fixed || topK !== 1 || Object.keys(topKByModality).length > 0)) {
    throw new ConfigError(
      `encoder: expected ${path}.experts ${fixed} and ${path}.topK 1 for the condition "${name}", got ${experts} and ${topK}; leave both out`,
      { fields: { experts, topK, fixed } },
    );
  }
  const { wholeExperts = false } = given;
  check(!wholeExperts || !condition.dataIndependent, `${path}.wholeExperts`, [
    'to be false for a condition that decides for rows, whose experts are merged linear by linear',
    true,
  ]);
  check(noise >= 0 && noise < Infinity, `${path}.noise`, ['to be at least 0', noise]);
  for (const [loss, factor] of Object.entries(losses)) {
    auxiliaryLossNamed(loss);
    check(typeof factor === 'number' && factor >= 0 && factor < Infinity, `${path}.losses.${loss}`, [
      'to be at least 0',
      factor,
    ]);
  }
  return {
    experts,
    topK,
    topKByModality,
    condition: name,
    conditionSettings,
    ...(renormalize === undefined ? {} : { renormalize }),
    noise,
    capacityFactor: resolveCapacity(given.capacityFactor, `${path}.capacityFactor`),
    batchPriority: given.batchPriority ?? false,
    losses,
    ...(wholeExperts ? { wholeExperts } : {}),
  };
};

const NAME = /^[a-z][a-z0-9-]*$/u;

const matches = (pattern: string, name: string): boolean =>
  pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)));

const resolveLinears = (
  given: ExpertGroupConfig['linears'],
  field: string,
  linears: GroupContext['linears'],
): ExpertGroup['linears'] => {
  const names = linears.map(({ name }) => name);
  check(given.length > 0, field, ['to name one linear or more', 'none']);
  return given.map((entry) => {
    const patterns = typeof entry === 'string' ? [entry] : entry;
    check(patterns.length > 0, field, ['to name one linear or more in each list', 'an empty one']);
    for (const pattern of patterns) {
      if (typeof pattern === 'string' && names.some((name) => matches(pattern, name))) continue;
      throw new ConfigError(
        `encoder: expected ${field} to name linears of a block, some of ${names.join(', ')} or patterns such as attention.*, got ${excerpt(pattern)}; correct it, or set splitAttention for separate query, key and value`,
        { code: 'encoder-config', fields: { field, pattern } },
      );
    }
    return names.filter((name) => patterns.some((pattern) => matches(pattern, name)));
  });
};

const resolveBlocks = (
  given: ExpertGroupConfig['blocks'],
  field: string,
  layers: number,
): readonly number[] => {
  if (Array.isArray(given)) {
    for (const block of given as readonly number[]) checkWhole(field, block, { least: 0, most: layers - 1 });
    const blocks = [...new Set(given as readonly number[])].sort((a, b) => a - b);
    check(blocks.length > 0, field, ['to name one block or more', 'none']);
    return blocks;
  }
  const range = (given ?? {}) as BlockRange;
  checkFields(range, field, { every: 'number', first: 'number', last: 'number' });
  const { every = 1, first = 0, last = layers - 1 } = range;
  checkWhole(`${field}.every`, every, { most: ENCODER_LIMITS.layers });
  checkWhole(`${field}.first`, first, { least: 0, most: layers - 1 });
  checkWhole(`${field}.last`, last, { least: first, most: layers - 1 });
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, i) => first + i * every);
};

/** Refuses routers whose linears make no function of one input. @throws ConfigError */
const checkWholeExperts = (
  { linears }: Pick<ExpertGroup, 'linears'>,
  path: string,
  specs: readonly LinearSpec[],
): void => {
  const followed = new Map(specs.map(({ name, follows }) => [name, follows]));
  const apart = linears.find((members) =>
    members.some((member, at) => at > 0 && followed.get(member) !== members[at - 1]),
  );
  check(!apart, `${path}.linears`, [
    'to list for each router linears of which each reads the one before, such as ffn.fc1 and ffn.fc2, where experts are whole',
    apart?.join(', '),
  ]);
};

/** @throws ConfigError naming the field, what it expects and what it got */
export const resolveGroup = (given: ExpertGroupConfig, context: GroupContext): ExpertGroup => {
  checkFields(given, 'moe.groups', { name: 'text', linears: 'list' });
  const { name, linears = [], blocks, ...settings } = given;
  const path = `moe.groups.${name}`;
  check(NAME.test(name), 'the name of a group of moe.groups', [
    'of lower-case letters, digits and hyphens',
    name,
  ]);
  const group = Object.freeze({
    name,
    blocks: resolveBlocks(blocks, `${path}.blocks`, context.layers),
    linears: resolveLinears(linears, `${path}.linears`, context.linears),
    ...resolveGroupSettings(settings, path, context),
  });
  if (group.wholeExperts) checkWholeExperts(group, path, context.linears);
  return group;
};

/** Refuses groups of one name, and linears that two groups claim. @throws ConfigError naming both */
export const checkGroups = (groups: readonly ExpertGroup[]): void => {
  const claimed = new Map<string, string>();
  const names = new Set<string>();
  for (const { name, blocks, linears } of groups) {
    check(!names.has(name), 'moe.groups', ['to have different names', `"${name}" twice`]);
    names.add(name);
    for (const block of blocks) {
      for (const linear of linears.flat()) {
        const path = `blocks.${block}.${linear}`;
        const other = claimed.get(path);
        if (other !== undefined) {
          throw new ConfigError(
            `encoder: expected each linear in one group of experts at most, once, got ${path} in "${other}" and "${name}"; take it out of one of them`,
            { code: 'encoder-config', fields: { path, groups: [other, name] } },
          );
        }
        claimed.set(path, name);
      }
    }
  }
};
