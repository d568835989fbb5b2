/** Conditional experts of an encoder: how many, where, and what their routers look at. Plain JSON. */
import { ConfigError } from '@polygate/core';
import { createCondition, type Condition, type RoutingKey } from '@polygate/routers';
import { check, checkFields, checkWhole, type FieldType } from '@polygate/modalities';
import { ENCODER_LIMITS } from './limits.ts';

/** Slots per expert as a multiple of an even load; see `routeTokens` of @polygate/routers. */
export interface CapacityFactors {
  /** @default 1 */
  readonly train?: number;
  /** @default 2 */
  readonly evaluate?: number;
}

/** Conditional experts of an encoder. */
export interface ExpertConfig {
  /** Experts per conditional linear layer. @default 8; the number of tasks for `task-specific` */
  readonly experts?: number;
  /** Experts that a decision chooses. @default 2; 1 for `task-specific` */
  readonly topK?: number;
  /**
   * What the routers look at: `attribute`, `modality`, `task`, `token`, `context`, the baseline `task-specific`, or a
   * condition that another package registered with @polygate/routers. @default 'attribute'
   */
  readonly condition?: string;
  /** Names of the tasks, in a fixed order; needed by the conditions on the task. @default none */
  readonly tasks?: readonly string[];
  /** Names of the modalities, in a fixed order. @default visual and text */
  readonly modalities?: readonly string[];
  /** Every n-th block is conditional, counted from the first: blocks 0, n, 2n, ... @default 1 */
  readonly every?: number;
  /** Whether the fused query-key-value and the output projection are conditional. @default true */
  readonly attention?: boolean;
  /** Whether both linears of the feed-forward part are conditional. @default true */
  readonly ffn?: boolean;
  /**
   * Whether the gates of the chosen experts are divided by their sum. A single one would always be 1, and its router
   * would learn nothing. @default true for a topK above 1
   */
  readonly renormalize?: boolean;
  /** Standard deviation of the training noise on gate logits, in units of 1 / experts. @default 1 */
  readonly noise?: number;
  /**
   * Whether the attention output and the second feed-forward linear have gates of their own. By default they reuse the
   * decision of the layer before them. @default false
   */
  readonly separateGates?: boolean;
  /** Conditions on tokens only: slots per expert, or `dropless` for as many as are chosen. @default 1 and 2 */
  readonly capacityFactor?: CapacityFactors | 'dropless';
  /** Conditions on tokens only: whether likelier choices get their slots first, whatever their place. @default false */
  readonly batchPriority?: boolean;
  /** Conditions on tokens only: factor of the balance loss of each router. @default 0.01 (paper, section 4.2) */
  readonly balanceLoss?: number;
  /**
   * Conditions on tokens only: factor of the z-loss of each router, which keeps logits small.
   * @default 1e-3 (ST-MoE; the paper has none, 0 turns it off)
   */
  readonly zLoss?: number;
}

/** Checked experts with nothing left open. */
export interface ResolvedExperts extends Required<Omit<ExpertConfig, 'capacityFactor'>> {
  readonly capacityFactor: Required<CapacityFactors> | 'dropless';
}

/** Modalities of segments that don't name their own. */
const MODALITIES: readonly string[] = Object.freeze(['visual', 'text']);

/** The condition that the routers of an encoder share. @throws ConfigError for one that lacks what it needs */
export const conditionOf = ({
  condition,
  tasks,
  modalities,
}: Pick<ResolvedExperts, 'condition' | 'tasks' | 'modalities'>): Condition<RoutingKey> =>
  createCondition(condition, { tasks, modalities });

const resolveCapacity = (given: ExpertConfig['capacityFactor'] = {}): ResolvedExperts['capacityFactor'] => {
  if (given === 'dropless') return given;
  checkFields(given, 'moe.capacityFactor', { train: 'number', evaluate: 'number' });
  const factors = { train: 1, evaluate: 2, ...given };
  for (const [phase, factor] of Object.entries(factors)) {
    check(factor > 0 && factor < Infinity, `moe.capacityFactor.${phase}`, [
      'to be above 0 (1 holds an even load; "dropless" holds any)',
      factor,
    ]);
  }
  return factors;
};

const expertFields = {
  experts: 'number',
  topK: 'number',
  condition: 'text',
  tasks: 'texts',
  modalities: 'texts',
  every: 'number',
  attention: 'boolean',
  ffn: 'boolean',
  renormalize: 'boolean',
  noise: 'number',
  separateGates: 'boolean',
  batchPriority: 'boolean',
  balanceLoss: 'number',
  zLoss: 'number',
} satisfies Record<keyof Omit<ExpertConfig, 'capacityFactor'>, FieldType>;

/**
 * Fills in the defaults and checks the whole.
 * @throws ConfigError naming the field, what it expects and what it got; an unknown condition lists the known ones
 */
export const resolveExperts = (moe: ExpertConfig): ResolvedExperts => {
  checkFields(moe, 'moe', expertFields);
  const named = { condition: 'attribute', tasks: [], modalities: MODALITIES, ...moe };
  const condition = conditionOf(named);
  const fixed = condition.dataIndependent && condition.fixed === true ? condition.experts : undefined;
  const chosen = moe.topK ?? (fixed === undefined ? 2 : 1);
  const resolved: ResolvedExperts = {
    experts: fixed ?? 8,
    topK: chosen,
    every: 1,
    attention: true,
    ffn: true,
    renormalize: fixed !== undefined || chosen > 1,
    noise: 1,
    separateGates: false,
    batchPriority: false,
    balanceLoss: 0.01,
    zLoss: 1e-3,
    ...named,
    capacityFactor: resolveCapacity(moe.capacityFactor),
  };
  const { experts, topK, every, attention, ffn, noise, balanceLoss, zLoss } = resolved;
  checkWhole('moe.experts', experts, { most: ENCODER_LIMITS.experts });
  checkWhole('moe.topK', topK, { most: ENCODER_LIMITS.experts });
  if (topK > experts) {
    throw new ConfigError(
      `encoder: expected moe.topK to be at most moe.experts (${experts}), got ${topK}; lower moe.topK or raise moe.experts`,
      { fields: { topK, experts } },
    );
  }
  if (fixed !== undefined && (experts !== fixed || topK !== 1)) {
    throw new ConfigError(
      `encoder: expected moe.experts ${fixed} and moe.topK 1 for the condition "${resolved.condition}", got ${experts} and ${topK}; leave both out`,
      { fields: { experts, topK, fixed } },
    );
  }
  checkWhole('moe.every', every, { most: ENCODER_LIMITS.layers });
  check(attention || ffn, 'moe.attention or moe.ffn', [
    'to be true (leave moe out for a dense encoder)',
    'neither',
  ]);
  check(noise >= 0 && noise < Infinity, 'moe.noise', ['to be at least 0', noise]);
  check(balanceLoss >= 0 && balanceLoss < Infinity, 'moe.balanceLoss', ['to be at least 0', balanceLoss]);
  check(zLoss >= 0 && zLoss < Infinity, 'moe.zLoss', ['to be at least 0', zLoss]);
  return Object.freeze(resolved);
};
