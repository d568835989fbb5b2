/**
 * A made-up suite with the datasets that a recipe names, of a few rows each: to see that a recipe runs before its data is
 * there. Images are noise, texts are drawn words; nothing can be learned from it.
 */
import { createRandom, sha256 } from '@polygate/core';
import { writeDirectoryAtomic } from '@polygate/core/node';
import {
  datasetSchema,
  kindNamed,
  kindSettings,
  SUITE_FILE,
  SUITE_VERSION,
  type Suite,
} from '@polygate/datasets';
import type { Recipe } from '@polygate/generalist';
import { buildBatch, writeShards, type Schema } from '@polygate/stream';
import { taskFamilyNamed } from '@polygate/tasks';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface SyntheticOptions {
  /** Side of the images, pixels; a multiple of the patches'. */
  readonly pixels: number;
  /** Rows of every split. @default 16 */
  readonly rows?: number;
  /** @default 1 */
  readonly seed?: number;
}

const WORDS = ['red', 'blue', 'small', 'large', 'house', 'tree', 'dog', 'sea', 'near', 'under'] as const;
const CLASSES = WORDS.flatMap((first) => WORDS.slice(4).map((second) => `${first} ${second}`));
const TEXT_TOKENS = 24;

/** Writes the suite into a folder, which is replaced. @returns what its suite.json holds */
export const writeSyntheticSuite = async (
  folder: string,
  recipe: Recipe,
  options: SyntheticOptions,
): Promise<Suite> => {
  const { pixels, rows = 16, seed = 1 } = options;
  const tokenizer = trainTokenizer([...WORDS, ...CLASSES], { vocabularySize: 300, lowercase: true });
  const datasets = new Map(
    Object.values(recipe.tasks).map(({ dataset, family, split }) => [
      dataset,
      { kind: taskFamilyNamed(family).kind, split },
    ]),
  );
  const suite: Suite = {
    name: 'synthetic',
    version: SUITE_VERSION,
    image: { height: pixels, width: pixels },
    textLength: TEXT_TOKENS,
    tokenizerHash: tokenizer.hash,
    datasets: [...datasets].map(([name, { kind, split }]) => ({
      name,
      kind,
      ...(kindNamed(kind).section ? { settings: kindSettings(kindNamed(kind)) } : {}),
      splits: { [split]: { rows }, validation: { rows } },
      ...(kindNamed(kind).hasClasses ? { classes: CLASSES } : {}),
    })),
    quarantine: {},
    recipeHash: sha256(JSON.stringify([[...datasets], pixels, rows, seed])),
  };
  await writeDirectoryAtomic(folder, async (directory) => {
    await saveTokenizer(tokenizer, join(directory, 'tokenizer.json'));
    for (const { name, kind, splits, classes } of suite.datasets) {
      const schema: Schema = datasetSchema({
        kind,
        imageSize: pixels,
        ...(classes ? { classes } : {}),
        ...(kindNamed(kind).needsTokenizer ? { tokenizer: tokenizer.hash } : {}),
      });
      for (const split of Object.keys(splits)) {
        const columns = kindNamed(kind).synthetic({
          rows,
          imageSize: pixels,
          textLength: TEXT_TOKENS,
          tokenizer,
          words: WORDS,
          classes: CLASSES,
          random: createRandom(seed).fork(`${name}/${split}`),
          settings: kindSettings(kindNamed(kind)),
        });
        await writeShards(join(directory, name, split), schema, [buildBatch(schema, columns)]);
      }
    }
    await writeFile(join(directory, SUITE_FILE), JSON.stringify(suite, null, 2));
  });
  return suite;
};
