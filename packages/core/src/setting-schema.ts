/**
 * Walking a zod schema by the path of a setting. The schema is seen by its documented definitions (`_zod.def`) alone,
 * so that this package needs no zod.
 */
import { ownValue } from './own-value.ts';

/** What is looked at of a definition; which fields are there depends on its type. */
interface SchemaDefinition {
  readonly type: string;
  readonly innerType?: SchemaNode;
  readonly in?: SchemaNode;
  readonly shape?: Readonly<Record<string, SchemaNode>>;
  readonly options?: readonly SchemaNode[];
  readonly discriminator?: string;
  readonly valueType?: SchemaNode;
  readonly element?: SchemaNode;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
}

/** A zod schema, by what settings need of it. */
export interface SchemaNode {
  readonly _zod: { readonly def: unknown };
}

export const definitionOf = (schema: SchemaNode): SchemaDefinition => schema._zod.def as SchemaDefinition;

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schema inside defaults, optionals, nullables and conversions. */
const innerSchema = (schema: SchemaNode): SchemaNode => {
  const { innerType, in: input } = definitionOf(schema);
  const inner = innerType ?? input;
  return inner ? innerSchema(inner) : schema;
};

/** Whether null is one of the values. */
export const takesNull = (schema: SchemaNode): boolean => {
  const { type, innerType, in: input, options } = definitionOf(schema);
  if (type === 'nullable' || type === 'null') return true;
  const inner = innerType ?? input;
  return inner ? takesNull(inner) : (options ?? []).some(takesNull);
};

/** The words of a literal or an enumeration; undefined for other schemas. */
export const wordsOf = (schema: SchemaNode): readonly unknown[] | undefined => {
  const { type, values, entries } = definitionOf(schema);
  if (type === 'literal') return values ?? [];
  return type === 'enum' ? Object.values(entries ?? {}) : undefined;
};

/** The schemas that a value may fit: those of a union one by one. */
export const choicesOf = (schema: SchemaNode): readonly SchemaNode[] => {
  const inner = innerSchema(schema);
  return definitionOf(inner).options?.flatMap(choicesOf) ?? [inner];
};

/**
 * The choices of a union whose discriminator says what `value` says; where it says nothing the one that needs no word, or
 * all of them.
 */
const fittingChoices = (schema: SchemaNode, value: unknown): readonly SchemaNode[] => {
  const { discriminator, options } = definitionOf(innerSchema(schema));
  const choices = choicesOf(schema);
  if (discriminator === undefined || !options || !isRecord(value)) return choices;
  const kind = ownValue(value, discriminator);
  const fitting = choices.filter((choice) => {
    const field = ownValue(definitionOf(choice).shape ?? {}, discriminator);
    if (field === undefined) return false;
    return kind === undefined
      ? definitionOf(field).type === 'optional'
      : wordsOf(innerSchema(field))?.includes(kind);
  });
  return fitting.length > 0 ? fitting : choices;
};

/** Whether a schema takes anything. */
export const isOpen = (type: string): boolean => type === 'unknown' || type === 'any';

const below = (schema: SchemaNode, key: string): readonly SchemaNode[] => {
  const { type, shape, valueType, element } = definitionOf(schema);
  // What a schema of another record checks later, such as settings of a modality by its name.
  if (isOpen(type)) return key === '__proto__' ? [] : [schema];
  if (shape) {
    const child = ownValue(shape, key);
    return child ? [child] : [];
  }
  // A record takes any key but this one, which zod itself passes over.
  if (valueType) return key === '__proto__' ? [] : [valueType];
  return element && /^\d{1,9}$/u.test(key) ? [element] : [];
};

/** The value under a key of a record or an index of a list, by own keys. */
export const childOf = (value: unknown, key: string): unknown =>
  Array.isArray(value)
    ? (value as unknown[])[Number(key)]
    : isRecord(value)
      ? ownValue(value, key)
      : undefined;

/**
 * The schemas at a path; none when it leads nowhere.
 * @param value the settings so far: where they name the kind of a thing, its own schema is preferred
 */
export const schemasAt = (
  schema: SchemaNode,
  path: readonly string[],
  value: unknown,
): readonly SchemaNode[] => {
  const [key, ...rest] = path;
  if (key === undefined) return [schema];
  const child = childOf(value, key);
  for (const choices of [fittingChoices(schema, value), choicesOf(schema)]) {
    const schemas = choices.flatMap((choice) => below(choice, key));
    if (schemas.length > 0) return schemas.flatMap((each) => schemasAt(each, rest, child));
  }
  return [];
};

/** Keys that an object at a path may have; none where any key or no key is allowed. */
export const knownKeysAt = (
  schema: SchemaNode,
  path: readonly string[],
  value: unknown,
): readonly string[] => {
  const here = path.reduce<unknown>(childOf, value);
  const keys = schemasAt(schema, path, value)
    .flatMap((each) => fittingChoices(each, here))
    .flatMap((each) => Object.keys(definitionOf(each).shape ?? {}));
  return [...new Set(keys)];
};
