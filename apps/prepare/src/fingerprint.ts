/** What decides a suite's content, as one hash: so that a second run sees that there is nothing to do. */
import { resolve } from 'node:path';
import { defaultBudgets, sha256 } from '@polygate/core';
import {
  DATASET_CODE_VERSION,
  dataSourceNamed,
  isArchive,
  readerNamed,
  SUITE_VERSION,
  type SourceInput,
} from '@polygate/datasets';
import type { PrepareRecipe, SourceRecipe } from './recipe.ts';
import { stampOf } from './stamps.ts';

/** Files and folders that a source reads, by the settings of its reader that hold paths. */
const inputsOf = (source: SourceRecipe): readonly SourceInput[] => {
  const reader = readerNamed(source.source);
  if (reader.inputs) return reader.inputs(source);
  return Object.entries(reader.paths).flatMap(([name, of]) => {
    const value = source[name];
    const paths: readonly unknown[] = Array.isArray(value) ? value : [value];
    return paths.filter((path) => typeof path === 'string').map((path) => ({ path, of }));
  });
};

const pathsOf = (recipe: PrepareRecipe): readonly SourceInput[] => [
  ...Object.values(recipe.sources).flatMap(inputsOf),
  // A changed reader may give other rows; packages are known by their names.
  ...(recipe.extensions ?? []).filter((module) => /^[./]|[\\/]/u.test(module)).map((path) => ({ path })),
  ...(recipe.tokenizer.file === undefined ? [] : [{ path: recipe.tokenizer.file }]),
];

/** Budgets that recipes have had from the start. */
const firstBudgets: ReadonlySet<string> = new Set([
  'imageBytes',
  'decodeBytes',
  'memberBytes',
  'sampleBytes',
  'textBytes',
  'documentBytes',
  'jsonBytes',
]);

/** The recipe without budgets that came later and were left as they are: suites of before stay what they are. */
const lasting = (recipe: PrepareRecipe): PrepareRecipe => {
  const defaults = new Map<string, unknown>(Object.entries(defaultBudgets));
  const budgets = Object.entries(recipe.budgets).filter(
    ([name, bytes]) => firstBudgets.has(name) || defaults.get(name) !== bytes,
  );
  return { ...recipe, budgets: Object.fromEntries(budgets) as PrepareRecipe['budgets'] };
};

/** Data packages that every fingerprint has, used or not, under the keys that they have there. */
const firstPackages = {
  emojibase: 'emojibase',
  noto: 'noto',
  twemoji: 'twemoji',
  openmoji: 'openmoji',
  fluent: 'fluent-emoji-flat',
  mnist: 'mnist-small',
  wordnet: 'wordnet',
  mobyDick: 'moby-dick',
} as const;

/** The pins of the data packages: of the first ones, and of those that came later and that the recipe reads. */
const pinsOf = (recipe: PrepareRecipe): { readonly pins: object; readonly archives?: object } => {
  const first = Object.entries(firstPackages).map(([key, name]) => {
    const { pin } = dataSourceNamed(name);
    return [key, { name: pin.name, version: pin.version, ...(isArchive(pin) ? {} : { files: pin.files }) }];
  });
  const pinned = new Set<string>(Object.values(firstPackages));
  const read = Object.values(recipe.sources).flatMap((source) => {
    const reader = readerNamed(source.source);
    return reader.dataSources?.(source) ?? [];
  });
  const later = [...new Set(read)]
    .filter((name) => !pinned.has(name))
    .sort()
    .map((name) => {
      const { pin } = dataSourceNamed(name);
      return [name, isArchive(pin) ? pin.sha256 : pin];
    });
  return {
    pins: Object.fromEntries(first) as object,
    ...(later.length > 0 ? { archives: Object.fromEntries(later) as object } : {}),
  };
};

/**
 * SHA-256, hex, of the recipe, the code versions, the pinned packages and the state of the user's files: size and time
 * of each, at any depth.
 * @param folders `work`: what relative paths count from; `output`: where suites go, which is no input
 * @param tokenizer hash of a model's tokenizer that takes the place of the recipe's
 */
export const fingerprint = async (
  recipe: PrepareRecipe,
  folders: { readonly work: string; readonly output: string },
  tokenizer?: string,
): Promise<string> => {
  const stamps: string[] = [];
  for (const { path, of = 'all' } of pathsOf(recipe)) {
    stamps.push(await stampOf(resolve(folders.work, path), { of, without: folders.output }));
  }
  const { pins, ...later } = pinsOf(recipe);
  const versions = { pins, code: DATASET_CODE_VERSION, suite: SUITE_VERSION, ...later };
  return sha256(
    JSON.stringify({ recipe: lasting(recipe), stamps, ...versions, ...(tokenizer ? { tokenizer } : {}) }),
  );
};
