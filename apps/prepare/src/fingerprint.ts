/** What decides a suite's content, as one hash: so that a second run sees that there is nothing to do. */
import { dirname, resolve } from 'node:path';
import { sha256 } from '@polygate/core';
import { DATASET_CODE_VERSION, pins, SUITE_VERSION } from '@polygate/datasets';
import type { PrepareRecipe } from './recipe.ts';
import { stampOf, type StampOptions } from './stamps.ts';

/** A file or folder that a source reads. */
interface SourcePath {
  readonly path: string;
  /** Which files of a folder count. @default 'all' */
  readonly of?: StampOptions['of'];
}

const pathsOf = (recipe: PrepareRecipe): SourcePath[] => {
  const own = Object.values(recipe.sources).flatMap((source): SourcePath[] => {
    switch (source.source) {
      case 'emoji':
      case 'mnist':
      case 'mini-text':
        return [];
      case 'image-folder':
      case 'sidecar-captions':
        return [{ path: source.path }];
      case 'captions-csv':
      case 'labelled-table':
        return [{ path: source.file }, { path: source.images, of: 'pictures' }];
      case 'coco-captions':
        return [{ path: source.annotations }, { path: source.images, of: 'pictures' }];
      case 'jsonl':
        // Names count from the file's own folder where no root is given.
        return source.kind === 'text'
          ? [{ path: source.file }]
          : [{ path: source.file }, { path: source.root ?? dirname(source.file), of: 'pictures' }];
      case 'labelled-tsv':
        return [{ path: source.file }];
      case 'webdataset':
      case 'plain-text':
        return source.files.map((path) => ({ path }));
      default:
        return source satisfies never;
    }
  });
  return recipe.tokenizer.file === undefined ? own : [...own, { path: recipe.tokenizer.file }];
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
  const versions = { pins, code: DATASET_CODE_VERSION, suite: SUITE_VERSION };
  return sha256(JSON.stringify({ recipe, stamps, ...versions, ...(tokenizer ? { tokenizer } : {}) }));
};
