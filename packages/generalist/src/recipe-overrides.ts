/** Settings from the command line, `path=value`, laid over a recipe. */
import { ConfigError, unknownName } from '@polygate/core';
import { z } from 'zod';
import { choicesOf, knownKeysAt, schemasAt } from './recipe-paths.ts';
import { parseRecipe, recipeSchema, type Recipe, type RecipeInput } from './recipe.ts';

const withArticle = (noun: string): string => `${/^[aeiou]/u.test(noun) ? 'an' : 'a'} ${noun}`;

/** Text becomes what the schema wants there: text stays text, everything else is read as JSON. */
const typedValue = (text: string, schemas: readonly z.core.$ZodType[], path: string): unknown => {
  const inner = schemas.flatMap(choicesOf);
  const takesText = inner.some((schema) => schema instanceof z.ZodString || schema instanceof z.ZodEnum);
  const nullable = schemas.some((schema) => schema instanceof z.ZodType && schema.safeParse(null).success);
  if (text === 'null' && nullable) return null;
  if (
    takesText ||
    inner.some((schema) => schema instanceof z.ZodLiteral && schema.def.values.includes(text))
  ) {
    return text;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const kinds = new Set(inner.map((schema) => schema._zod.def.type));
    const words = inner.map((schema) =>
      schema instanceof z.ZodLiteral
        ? schema.def.values.map((word) => JSON.stringify(word)).join(' or ')
        : withArticle(schema._zod.def.type),
    );
    const example =
      kinds.has('object') || kinds.has('record')
        ? '{"key":1}'
        : kinds.has('array')
          ? '["a","b"]'
          : kinds.has('boolean')
            ? 'true'
            : '0.001';
    throw new ConfigError(
      `--set ${path}=${text}: expected ${[...new Set(words)].join(' or ')}, got "${text}"; write it as JSON, for example ${path}=${example}`,
      { cause },
    );
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withValue = (node: unknown, path: readonly string[], value: unknown): unknown => {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const base = isRecord(node) ? node : {};
  return { ...base, [key]: withValue(base[key], rest, value) };
};

/**
 * Lays settings such as `optimizer.learningRate=1e-3`, `steps=500 steps` or `tasks.mnist.weight=2` over a recipe.
 * @throws ConfigError for text that is not `path=value`, an unknown path (lists the known keys), or a value that does
 * not fit
 */
export const applyOverrides = (recipe: RecipeInput, settings: readonly string[]): Recipe => {
  let changed: unknown = recipe;
  for (const setting of settings) {
    const cut = setting.indexOf('=');
    if (cut < 1) {
      throw new ConfigError(
        `--set: expected path=value such as optimizer.learningRate=1e-3, got "${setting}"`,
      );
    }
    const path = setting.slice(0, cut).trim().split('.');
    path.forEach((key, depth) => {
      const parent = path.slice(0, depth);
      if (schemasAt(recipeSchema, [...parent, key]).length > 0) return;
      const known = knownKeysAt(recipeSchema, parent).map((name) => [...parent, name].join('.'));
      throw unknownName('setting', path.slice(0, depth + 1).join('.'), known);
    });
    const value = typedValue(setting.slice(cut + 1).trim(), schemasAt(recipeSchema, path), path.join('.'));
    changed = withValue(changed, path, value);
  }
  return parseRecipe(changed);
};
