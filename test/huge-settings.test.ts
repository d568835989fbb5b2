/**
 * Every number that a recipe takes, found in its schema: values that nobody can mean are refused by name, and whatever
 * is accepted has a plan (parameters, memory) at once. A new setting is covered by being in the schema.
 */
import { ConfigError } from '@polygate/core';
import { parseRecipe, recipeSchema } from '@polygate/generalist';
import { describe, expect, it } from 'vitest';
import { parsePrepareRecipe, prepareSchema } from '../apps/prepare/src/recipe.ts';
import { describeRecipe } from '@polygate/runs';

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** A number of a schema: its path, and a record that is valid but for what is put there. */
interface NumericSetting {
  readonly path: readonly string[];
  readonly maximum: number | undefined;
  readonly fill: (value: number) => unknown;
}

const choices = ({ anyOf, oneOf }: JsonSchema): readonly JsonSchema[] => anyOf ?? oneOf ?? [];

/** A smallest valid value. */
const sample = (schema: JsonSchema): unknown => {
  const [first] = choices(schema);
  if (first) return sample(first);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.type === 'object') {
    return Object.fromEntries(
      (schema.required ?? []).map((key) => [key, sample(schema.properties?.[key] ?? {})]),
    );
  }
  if (schema.type === 'array') return schema.minItems ? [sample(schema.items ?? {})] : [];
  return schema.type === 'string' ? 'a' : 1;
};

const numbersOf = (
  schema: JsonSchema,
  path: readonly string[] = [],
  fill: (value: unknown) => unknown = (value) => value,
): readonly NumericSetting[] => {
  const inner = choices(schema);
  if (inner.length > 0) return inner.flatMap((choice) => numbersOf(choice, path, fill));
  if (schema.type === 'number' || schema.type === 'integer') return [{ path, maximum: schema.maximum, fill }];
  if (schema.type === 'array') {
    return numbersOf(schema.items ?? {}, [...path, '0'], (value) => fill([value]));
  }
  const { properties = {}, additionalProperties } = schema;
  const fields = Object.entries(properties);
  if (additionalProperties) fields.push(['a', additionalProperties]);
  return fields.flatMap(([key, child]) =>
    numbersOf(child, [...path, key], (value) => fill({ ...(sample(schema) as object), [key]: value })),
  );
};

const settingsOf = (
  schema: ReturnType<typeof recipeSchema> | ReturnType<typeof prepareSchema>,
): readonly NumericSetting[] =>
  numbersOf(schema.toJSONSchema({ io: 'input', unrepresentable: 'any' }) as JsonSchema).filter(
    // These are checked by the schema of the condition that the recipe names.
    ({ path }) => !path.includes('conditionSettings'),
  );

const recipes = [
  {
    name: 'pretrain',
    settings: settingsOf(recipeSchema()),
    base: { tasks: { t: { family: 'image-captioning', dataset: 'd' } } },
    plan: (input: unknown) => describeRecipe(parseRecipe(input)),
  },
  {
    name: 'prepare',
    settings: settingsOf(prepareSchema()),
    base: { name: 'a', sources: { a: { source: 'mnist' } } },
    plan: (input: unknown) => JSON.stringify(parsePrepareRecipe(input)),
  },
];

/** What a plan says, or the error's text. Anything but a ConfigError fails the test. */
const outcome = (plan: () => string): { readonly refused: boolean; readonly text: string } => {
  try {
    return { refused: false, text: plan() };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { refused: true, text: error.message };
  }
};

describe.each(recipes)('numbers of a $name recipe', ({ name, settings, base, plan }) => {
  it.each(settings.map((setting) => [setting.path.join('.'), setting] as const))('%s', (path, setting) => {
    const at = (value: number) => outcome(() => plan({ ...base, ...(setting.fill(value) as object) }));
    for (const value of [1e9, 1e15, 0, -1, 1.5, setting.maximum ?? 1]) {
      const { refused, text } = at(value);
      expect(text).not.toMatch(/NaN|Infinity|undefined/u);
      if (refused) expect(text.length).toBeLessThan(400);
    }
    // No number is without a bound, and the error names the setting, what is allowed and what came.
    for (const value of [1e300, -1e300, NaN, Infinity]) {
      const { refused, text } = at(value);
      expect({ value, refused }).toEqual({ value, refused: true });
      expect(text).toContain(`${name === 'prepare' ? 'prepare recipe' : 'recipe'}: ${path}: `);
      expect(text).toMatch(/expected .*, (?:got|received) /u);
    }
  });

  it('are all looked at', () => {
    expect(settings.length).toBeGreaterThan(40);
  });
});
