/** What conditions that do not look at token content may look at, and how a condition is made for a model. */
import type { AttributeRow, AttributeSchema } from '@polygate/attributes';
import {
  callNow,
  optional,
  rules,
  type NamedRecord,
  type RecordShape,
  type SettingsSchema,
} from '@polygate/core';
import { conditionRule, type Condition } from './condition.ts';

/** What is known of a segment before any of its tokens is embedded. */
export interface RoutingKey {
  readonly attributes: AttributeRow;
  /** Name of the segment's modality, e.g. `visual`. */
  readonly modality: string;
  /** Name of the task that the sequence serves; empty where nobody named one. */
  readonly task: string;
}

/** What a model that routes by a condition knows of its data. */
export interface ConditionContext {
  /** Modalities by name, in the order of their embeddings. */
  readonly modalities: readonly string[];
  /** Tasks by name, in the order of their embeddings or experts. */
  readonly tasks: readonly string[];
  /** Bits that the routers see of a row. @default the paper's eight */
  readonly attributes?: AttributeSchema;
  /** Settings of the condition itself, checked by its schema; see {@link ConditionFactory.settings}. @default none */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A condition by name, before it is made for a model. */
export interface ConditionFactory<
  C extends Condition<RoutingKey> = Condition<RoutingKey>,
> extends NamedRecord {
  /**
   * Zod schema of what recipes may say under `conditionSettings`, beside the condition's name; its defaults are filled in.
   * @default the condition has no settings
   */
  readonly settings?: SettingsSchema<Readonly<Record<string, unknown>>>;
  /** @throws ConfigError when the context lacks what the condition needs */
  create(context: ConditionContext): C;
}

/** What the fields of a {@link ConditionFactory} must be; what it makes is looked at by `checkCondition`. */
export const conditionShape: RecordShape<ConditionFactory> = {
  settings: optional(rules.schema),
  create: callNow(conditionRule),
};
