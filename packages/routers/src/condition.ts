/**
 * What a router looks at: R(x) of Uni-Perceiver-MoE, Eq. 5 to 9. A condition is one file that exports one record of
 * one of the two kinds below; gates, merging and telemetry do not depend on which.
 *
 * A condition declares what it reads (`reads`) and what it costs (`parameters`, `flops`): merging, export and accounts go by
 * that, nothing is tried out.
 *
 * A model has many routers (one per block and branch). Their parameters are stacked along a leading axis of S sites,
 * because each alone is tiny and an engine's cost per tensor would outweigh the arithmetic.
 *
 * S sites (routers) · R rows · W width of the representation · D model width
 */
import {
  callNow,
  callWith,
  ConfigError,
  excerpt,
  listOf,
  optional,
  requireFit,
  ruleOf,
  rules,
  shaped,
  type Rule,
} from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import type * as tf from '@tensorflow/tfjs';

/** Sizes that a condition's parameters follow from. */
export interface ConditionSize {
  /** Model width D. */
  readonly width: number;
  /** Number of routers S that are stacked. */
  readonly sites: number;
}

/** Representations of R rows at S sites, and the way back to the parameters. */
export interface Representation {
  /** [S, R, W] float64, row-major. */
  readonly values: Float64Array;
  /** Takes the gradient to `values`; gives that of each parameter, in the order of `parameters`, float32. */
  backward(gradient: Float64Array): readonly Float32Array[];
}

/**
 * What a condition may read of a token: its own content, its sequence, or what is said of its segment before any token is
 * embedded (attribute row, modality, task).
 */
export type ConditionField = 'attributes' | 'modality' | 'task' | 'token' | 'context';

/** All of them, those of a segment first. */
export const CONDITION_FIELDS: readonly ConditionField[] = Object.freeze([
  'attributes',
  'modality',
  'task',
  'token',
  'context',
]);

/**
 * Floating-point operations of one router, a multiplication and an addition counting as two, its gates included.
 * Parameters are counted by their description.
 */
export interface RouterFlops {
  /** Of each decision: of a row, or of a token. */
  readonly decision: number;
  /** Once for each sequence, whatever its length. @default 0 */
  readonly sequence?: number;
}

interface NamedCondition {
  /** As in recipes and error texts, e.g. `attribute`. */
  readonly name: string;
  /**
   * What its decisions depend on, all of it: rows that differ in nothing else share decisions and merged weights. With
   * `token` or `context` every token is decided for, else every row.
   */
  readonly reads: readonly ConditionField[];
}

interface ConditionBase extends NamedCondition {
  /** Extent W of R(x). */
  representationWidth(size: ConditionSize): number;
  /** Parameters, each with leading axis S; their names are relative to the stack's prefix. */
  parameters(size: ConditionSize): readonly ParameterSpec[];
  /** What one router costs. */
  flops(size: ConditionSize & { readonly experts: number }): RouterFlops;
  /**
   * Names of the rows of a parameter's second axis, by the parameter's relative name, where every row belongs to a name
   * (a task, a modality): a model that starts from another takes the rows of the names that both know. @default none
   */
  readonly rowNames?: Readonly<Record<string, readonly string[]>>;
}

/**
 * A condition that is known before any token is embedded (modality, task, attributes): one decision per distinct row
 * serves every token of that row, and the experts of a row can be merged. It is computed on the host in double
 * precision: a few thousand multiplications, less than the engine's cost for the operations it would take.
 */
export interface LearnedCondition<Key> extends ConditionBase {
  readonly dataIndependent: true;
  readonly fixed?: false;
  /** Identity of a row; rows of equal key share a decision. */
  keyOf(row: Key): string;
  /**
   * @param values of the parameters, in the order of `parameters`; borrowed
   * @throws ShapeError for a row that isn't one of this condition's
   */
  represent(values: readonly Float32Array[], rows: readonly Key[], size: ConditionSize): Representation;
}

/** A condition whose decisions are given, not learned: one expert for each row, with gate 1, and no parameters. */
export interface FixedCondition<Key> extends NamedCondition {
  readonly dataIndependent: true;
  readonly fixed: true;
  /** Number of experts E that it tells apart. */
  readonly experts: number;
  /** Identity of a row; rows of equal key share a decision. */
  keyOf(row: Key): string;
  /** @returns the id of the row's expert. @throws ConfigError for a row that isn't one of this condition's */
  expertOf(row: Key): number;
}

/** A condition with one decision per distinct row: its experts can be merged. */
export type DataIndependentCondition<Key> = LearnedCondition<Key> | FixedCondition<Key>;

/** A run of positions that all sequences of a batch have in common, with what is said of it. */
export interface TokenRun {
  /** Name of its modality. */
  readonly modality: string;
  /** Name of the task; empty where nobody named one. */
  readonly task: string;
  /** Positions. */
  readonly length: number;
}

/** What a condition on token content sees at one site. Tensors are borrowed. */
export interface TokenContext {
  /** Index of the router in the stack. */
  readonly site: number;
  /** [B, L, D] float32, the input of the conditional layer. */
  readonly tokens: tf.Tensor3D;
  /** [B, L] float32, 1 at tokens that count, 0 at padding. @default all count */
  readonly visible?: tf.Tensor2D;
  /**
   * [B, L] float32, 1 at tokens that all of the sequence may know of: what a condition on the sequence may look at. Where
   * attention is causal the words are left out, or an early word's experts would tell of later ones. @default visible
   */
  readonly context?: tf.Tensor2D;
}

/** The same with what is said of the tokens. */
export interface DescribedTokens extends TokenContext {
  /** Runs that cover the L positions; conditions that read modality or task beside the token need them. @default not known */
  readonly runs?: readonly TokenRun[] | undefined;
}

/** R(x) of the tokens of a batch as two parts, concatenated: one of each token and one that a sample's tokens share. */
export interface TokenRepresentation {
  /** [B * L, W1], or the context's tokens themselves, [B, L, D], where they are looked at as they are. */
  readonly tokens?: tf.Tensor2D | tf.Tensor3D;
  /** [B, W2], repeated over the tokens of the sample */
  readonly samples?: tf.Tensor2D;
}

/**
 * A condition on token content (token, context). Its representation is on the tape, of W = W1 + W2 channels, and should
 * be float32 in every precision (`exactLinear` of @polygate/tensor), as gates are.
 */
export interface DataDependentCondition extends ConditionBase {
  readonly dataIndependent: false;
  /** @param parameters those of the context's site, in the order of `parameters`, without the leading axis; borrowed */
  represent(
    parameters: readonly tf.Tensor[],
    context: DescribedTokens,
    size: ConditionSize,
  ): TokenRepresentation;
}

/** Any condition. */
export type Condition<Key = never> = DataIndependentCondition<Key> | DataDependentCondition;

const ofLength = (name: string, size: number): Rule =>
  ruleOf(
    `${name} of ${size} values`,
    (value) => (value as { readonly length?: unknown } | undefined)?.length === size,
  );

/** What R(x) of rows must be: a vector for each site and row, and gradients of the parameters' sizes. */
const representationOf = ([values, rows, size]: readonly unknown[], owner: object): Rule => {
  const condition = owner as Condition & ConditionBase;
  // That of tokens is on the tape.
  if (!condition.dataIndependent) return rules.record;
  const { sites } = size as ConditionSize;
  const width = condition.representationWidth(size as ConditionSize);
  const count = sites * (rows as readonly unknown[]).length * width;
  const sizes = (values as readonly Float32Array[]).map(({ length }) => length);
  const gradients: Rule = (given, path = '') => {
    const misfit = ofLength('a list', sizes.length)(given, path);
    if (misfit) return misfit;
    const list = given as readonly unknown[];
    const at = sizes.findIndex((length, i) => ofLength('', length)(list[i]) !== undefined);
    return at < 0 ? undefined : ofLength('a Float32Array', sizes[at] ?? 0)(list[at], `${path}${at}`);
  };
  return shaped({ values: ofLength('a Float64Array', count), backward: callNow(gradients) });
};

/** What the functions of a condition of another package must give; that it has them is looked at by {@link checkCondition}. */
export const conditionRule: Rule = shaped({
  representationWidth: optional(callNow(rules.count)),
  parameters: optional(callNow(listOf(shaped({ name: rules.text, shape: listOf(rules.count) })))),
  flops: optional(callNow(shaped({ decision: rules.amount, sequence: optional(rules.amount) }))),
  keyOf: optional(callNow(ruleOf('a text', (key) => typeof key === 'string'))),
  expertOf: optional(callNow(rules.count)),
  represent: optional(callWith(representationOf, { atOnce: true })),
});

const fixedRule = shaped({ experts: rules.count, keyOf: rules.function, expertOf: rules.function });
const learnedRule = shaped({
  representationWidth: rules.function,
  parameters: rules.function,
  represent: rules.function,
});
const rowRule = shaped({ keyOf: rules.function });

/**
 * Refuses a condition that does not say what it reads and costs, which merging, caches and accounts go by, or that lacks what
 * routers call.
 * @throws ConfigError naming what is missing
 */
export const checkCondition = <Key>(condition: Condition<Key>): void => {
  const { name } = condition;
  // Conditions of other packages may be JavaScript: their types alone are not trusted.
  const reads: unknown = condition.reads;
  const fits =
    Array.isArray(reads) && reads.length > 0 && reads.every((field) => CONDITION_FIELDS.includes(field));
  if (!fits) {
    throw new ConfigError(
      `${name} condition: expected "reads", what its decisions depend on, some of ${CONDITION_FIELDS.join(', ')}, got ${excerpt(reads)}; declare it in the condition`,
      { code: 'condition-undeclared', fields: { condition: name } },
    );
  }
  const byToken = reads.includes('token') || reads.includes('context');
  if (byToken === condition.dataIndependent) {
    throw new ConfigError(
      `${name} condition: expected dataIndependent ${!byToken} of a condition that reads ${reads.join(', ')}, got ${condition.dataIndependent}; correct one of the two`,
      { code: 'condition-undeclared', fields: { condition: name } },
    );
  }
  const what = `${name} condition`;
  if (condition.dataIndependent && condition.fixed === true) {
    requireFit(fixedRule, condition, what);
    return;
  }
  requireFit(learnedRule, condition, what);
  if (condition.dataIndependent) requireFit(rowRule, condition, what);
  const flops: unknown = condition.flops;
  if (typeof flops !== 'function') {
    throw new ConfigError(
      `${name} condition: expected "flops", what one of its routers costs, got ${excerpt(flops)}; declare it in the condition, with the product of its gates`,
      { code: 'condition-undeclared', fields: { condition: name } },
    );
  }
};
