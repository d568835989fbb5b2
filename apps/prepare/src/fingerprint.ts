/** What decides a suite's content, as one hash: so that a second run sees that there is nothing to do. */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256 } from '@polygate/core';
import { DATASET_CODE_VERSION, pins, SUITE_VERSION } from '@polygate/datasets';
import type { PrepareRecipe } from './recipe.ts';

const pathsOf = (recipe: PrepareRecipe): string[] => {
  const own = Object.values(recipe.sources).flatMap((source) => {
    switch (source.source) {
      case 'emoji':
      case 'mnist':
      case 'mini-text':
        return [];
      case 'image-folder':
      case 'sidecar-captions':
        return [source.path];
      case 'captions-csv':
      case 'labelled-table':
        return [source.file, source.images];
      case 'coco-captions':
        return [source.annotations, source.images];
      case 'jsonl':
        return [source.file, ...(source.root === undefined ? [] : [source.root])];
      case 'labelled-tsv':
        return [source.file];
      case 'webdataset':
      case 'plain-text':
        return source.files;
      default:
        return source satisfies never;
    }
  });
  return recipe.tokenizer.file === undefined ? own : [...own, recipe.tokenizer.file];
};

/**
 * Size and time of a file; of a folder also those of the folders in it, whose times change when files come or go.
 * A picture that is changed in place goes unseen: that needs `force`.
 */
const stamp = async (path: string): Promise<string> => {
  const found = await stat(path).catch(() => undefined);
  if (!found) return `${path} missing`;
  const own = `${path} ${found.size} ${found.mtimeMs}`;
  if (!found.isDirectory()) return own;
  const entries = await readdir(path, { withFileTypes: true });
  const folders = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const inner = await Promise.all(
    folders.map(async (name) => `${name} ${(await stat(join(path, name))).mtimeMs}`),
  );
  return [own, ...inner].join('\n');
};

/**
 * SHA-256, hex, of the recipe, the code versions, the pinned packages and the state of the user's files.
 * @param tokenizer hash of a model's tokenizer that takes the place of the recipe's
 */
export const fingerprint = async (
  recipe: PrepareRecipe,
  workDirectory: string,
  tokenizer?: string,
): Promise<string> => {
  const stamps = await Promise.all(pathsOf(recipe).map((path) => stamp(resolve(workDirectory, path))));
  const versions = { pins, code: DATASET_CODE_VERSION, suite: SUITE_VERSION };
  return sha256(JSON.stringify({ recipe, stamps, ...versions, ...(tokenizer ? { tokenizer } : {}) }));
};
