/** Walking a zod schema by the path of a setting, for overrides and for error texts that list what is known. */
import { z } from 'zod';

/** The schema inside defaults, optionals and nullables. */
const innerSchema = (schema: z.core.$ZodType): z.core.$ZodType => {
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable
  ) {
    return innerSchema(schema.def.innerType);
  }
  return schema;
};

/** The schemas that a value may fit: those of a union one by one. */
export const choicesOf = (schema: z.core.$ZodType): readonly z.core.$ZodType[] => {
  const inner = innerSchema(schema);
  return inner instanceof z.ZodUnion ? inner.def.options.flatMap(choicesOf) : [inner];
};

/** Schemas that may stand below `schema` under `key`; several for a union. */
const below = (schema: z.core.$ZodType, key: PropertyKey): readonly z.core.$ZodType[] => {
  const inner = innerSchema(schema);
  if (inner instanceof z.ZodObject) {
    const child: z.core.$ZodType | undefined = inner.def.shape[String(key)];
    return child ? [child] : [];
  }
  if (inner instanceof z.ZodRecord) return [inner.def.valueType];
  if (inner instanceof z.ZodArray) return [inner.def.element];
  if (inner instanceof z.ZodUnion) return inner.def.options.flatMap((option) => below(option, key));
  return [];
};

/** Schemas at a path; none when the path leads nowhere. */
export const schemasAt = (
  schema: z.core.$ZodType,
  path: readonly PropertyKey[],
): readonly z.core.$ZodType[] =>
  path.reduce<readonly z.core.$ZodType[]>(
    (found, key) => found.flatMap((each) => below(each, key)),
    [schema],
  );

/** Keys that an object at `path` may have; none where any key or no key is allowed. */
export const knownKeysAt = (schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] => {
  const keys = (each: z.core.$ZodType): readonly string[] => {
    const inner = innerSchema(each);
    if (inner instanceof z.ZodObject) return Object.keys(inner.def.shape);
    if (inner instanceof z.ZodUnion) return inner.def.options.flatMap(keys);
    return [];
  };
  return [...new Set(schemasAt(schema, path).flatMap(keys))];
};
