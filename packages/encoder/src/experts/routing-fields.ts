/** What a condition on rows looks at, found by trying: conditions of other packages need not say. */
import { parseRow } from '@polygate/attributes';
import type { DataIndependentCondition, RoutingKey } from '@polygate/routers';

/** A field of a routing key. */
export type RoutingField = keyof RoutingKey;

/** Two values of each field that no two real ones can be nearer than. */
const PROBES: readonly [RoutingKey, RoutingKey] = Object.freeze([
  { attributes: parseRow('00000000'), modality: ' one', task: ' one' },
  { attributes: parseRow('11111111'), modality: ' other', task: ' other' },
]);

/** Whether a condition tells rows apart that differ in `field` alone. */
export const looksAt = (condition: DataIndependentCondition<RoutingKey>, field: RoutingField): boolean => {
  const [base, other] = PROBES;
  try {
    return condition.keyOf(base) !== condition.keyOf({ ...base, [field]: other[field] });
  } catch {
    // Refusing a value is a way of looking at it.
    return true;
  }
};

/** The fields that a condition looks at, in a fixed order. */
export const fieldsOf = (condition: DataIndependentCondition<RoutingKey>): readonly RoutingField[] =>
  (['attributes', 'modality', 'task'] as const).filter((field) => looksAt(condition, field));
