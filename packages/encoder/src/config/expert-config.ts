/**
 * Conditional experts of an encoder: groups, or the settings that make one group of the attention and feed-forward
 * branches of every n-th block. Plain JSON.
 */
import { attributeSchema, PAPER_GROUPS } from '@polygate/attributes';
import { ConfigError } from '@polygate/core';
import { check, checkFields, checkWhole, type FieldType } from '@polygate/modalities';
import { branchOf } from '../blocks/linears.ts';
import {
  checkGroups,
  conditionOf,
  DEFAULT_LOSSES,
  groupFields,
  resolveGroup,
  resolveGroupSettings,
  type ConditionNames,
  type ExpertGroup,
  type ExpertGroupConfig,
  type GroupContext,
  type GroupSettings,
} from './expert-groups.ts';
import { ENCODER_LIMITS } from './limits.ts';

/** Conditional experts of an encoder. */
export interface ExpertConfig extends GroupSettings {
  /** Names of the tasks, in a fixed order; needed by the conditions on the task. @default none */
  readonly tasks?: readonly string[];
  /** Names of the modalities, in a fixed order. @default those of the encoder */
  readonly modalities?: readonly string[];
  /**
   * Groups of attribute bits, in their order, the paper's visual and text first.
   * @default those, and the groups of the encoder's other modalities
   */
  readonly attributes?: readonly string[];
  /** Every n-th block is conditional, counted from the first: blocks 0, n, 2n, ... @default 1 */
  readonly every?: number;
  /** Whether the linears of attention are conditional. @default true */
  readonly attention?: boolean;
  /** Whether both linears of the feed-forward part are conditional. @default true */
  readonly ffn?: boolean;
  /**
   * Whether each linear has a router of its own. By default those of a branch follow the decision of its first one.
   * @default false
   */
  readonly separateGates?: boolean;
  /** Conditions on tokens only: factor of the balance loss; the same as `losses.balance`. @default 0.01 */
  readonly balanceLoss?: number;
  /** Conditions on tokens only: factor of the z-loss; the same as `losses.z`. @default 1e-3 */
  readonly zLoss?: number;
  /** Groups of experts, in place of every setting but `tasks`, `modalities` and `attributes`. @default the group of those settings */
  readonly groups?: readonly ExpertGroupConfig[];
}

/** Checked experts with nothing left open: what its settings come to. */
export interface ResolvedExperts {
  readonly tasks: readonly string[];
  readonly modalities: readonly string[];
  /** Groups of attribute bits, where they are not the paper's alone. */
  readonly attributes?: readonly string[];
  /** At least one. */
  readonly groups: readonly ExpertGroup[];
}

/** Name of the group that settings without groups make; parameters of its routers are called `routers.*`. */
export const DEFAULT_GROUP = 'experts';

const placementFields = {
  every: 'number',
  attention: 'boolean',
  ffn: 'boolean',
  separateGates: 'boolean',
  balanceLoss: 'number',
  zLoss: 'number',
} satisfies Record<string, FieldType>;

/** The group that settings without groups make. */
const presetGroup = (moe: ExpertConfig, context: GroupContext): ExpertGroup => {
  const { every = 1, attention = true, ffn = true, separateGates = false, balanceLoss, zLoss } = moe;
  checkWhole('moe.every', every, { most: ENCODER_LIMITS.layers });
  check(attention || ffn, 'moe.attention or moe.ffn', [
    'to be true (leave moe out for a dense encoder)',
    'neither',
  ]);
  for (const [field, factor] of Object.entries({ balanceLoss, zLoss })) {
    if (factor === undefined) continue;
    check(factor >= 0 && factor < Infinity, `moe.${field}`, ['to be at least 0', factor]);
  }
  const losses = {
    ...(moe.losses ?? DEFAULT_LOSSES),
    ...(balanceLoss === undefined ? {} : { balance: balanceLoss }),
    ...(zLoss === undefined ? {} : { z: zLoss }),
  };
  const names = context.linears.map(({ name }) => name);
  const routers = ['attention', 'ffn']
    .filter((branch) => (branch === 'attention' ? attention : ffn))
    .map((branch) => names.filter((name) => branchOf(name) === branch))
    .flatMap((linears) => (separateGates ? linears.map((linear) => [linear]) : [linears]));
  return Object.freeze({
    name: DEFAULT_GROUP,
    blocks: Array.from({ length: Math.ceil(context.layers / every) }, (_, i) => i * every),
    linears: routers,
    ...resolveGroupSettings({ ...moe, losses }, 'moe', context),
  });
};

const refuseBeside = (moe: ExpertConfig): void => {
  const beside = [...Object.keys(groupFields), ...Object.keys(placementFields), 'capacityFactor'].filter(
    (field) => Object.hasOwn(moe, field) && moe[field as keyof ExpertConfig] !== undefined,
  );
  if (beside.length === 0) return;
  throw new ConfigError(
    `encoder: expected moe.groups without settings of one group beside it, got ${beside.join(', ')}; move them into the groups`,
    { code: 'encoder-config', fields: { beside } },
  );
};

const checkExpertLinears = (groups: readonly ExpertGroup[]): void => {
  const all = groups.reduce(
    (sum, { blocks, linears, experts }) => sum + blocks.length * linears.flat().length * experts,
    0,
  );
  check(all <= ENCODER_LIMITS.expertLinears, 'layers x moe.experts', [
    `to make at most ${ENCODER_LIMITS.expertLinears} expert linears`,
    all,
  ]);
};

/** Settings that conditions on tokens alone look at, as configurations say them. */
const TOKEN_SETTINGS = ['capacityFactor', 'batchPriority', 'losses', 'balanceLoss', 'zLoss'] as const;

/**
 * Settings of experts that change nothing: those for tokens, of routers that decide for rows.
 * @param moe as it was given
 * @returns paths such as `moe.groups.feed.losses`
 */
export const idleSettings = (moe: ExpertConfig, names: ConditionNames): readonly string[] =>
  [
    { path: 'moe', given: moe },
    ...(moe.groups ?? []).map((given) => ({ path: `moe.groups.${given.name}`, given })),
  ]
    .filter(({ given }) => given !== moe || !moe.groups)
    .flatMap(({ path, given }) => {
      const { condition = 'attribute', conditionSettings = {} } = given;
      if (!conditionOf({ condition, conditionSettings }, names).dataIndependent) return [];
      return TOKEN_SETTINGS.filter((field) => (given as ExpertConfig)[field] !== undefined).map(
        (field) => `${path}.${field}`,
      );
    });

/** The encoder that experts are for: its blocks, its modalities by name, and their groups of attributes. */
export type GroupEncoder = Omit<GroupContext, 'tasks'>;

/**
 * Fills in the defaults and checks the whole. What it gives may be given again.
 * @throws ConfigError naming the field, what it expects and what it got; an unknown condition lists the known ones
 */
export const resolveExperts = (moe: ExpertConfig, encoder: GroupEncoder): ResolvedExperts => {
  checkFields(moe, 'moe', {
    ...placementFields,
    tasks: 'texts',
    modalities: 'texts',
    attributes: 'texts',
    groups: 'list',
  });
  const { tasks = [], modalities = encoder.modalities, groups: given } = moe;
  const { groups: attributes } = attributeSchema(moe.attributes ?? encoder.attributes ?? []);
  const names = {
    tasks,
    modalities,
    ...(attributes.length > PAPER_GROUPS.length ? { attributes } : {}),
  };
  const context = { ...encoder, ...names };
  if (given) refuseBeside(moe);
  if (given) check(given.length > 0, 'moe.groups', ['to name one group or more', 'none']);
  const groups = given ? given.map((group) => resolveGroup(group, context)) : [presetGroup(moe, context)];
  checkGroups(groups);
  checkExpertLinears(groups);
  return Object.freeze({ ...names, groups: Object.freeze(groups) });
};
