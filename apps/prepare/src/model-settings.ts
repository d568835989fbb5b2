/** What a suite takes over from the model that it is prepared for. */
import { ConfigError } from '@polygate/core';
import { modelSize, readModelConfig } from '@polygate/generalist';
import { loadTokenizer } from '@polygate/tokens';
import type { PrepareRecipe } from './recipe.ts';

/** Settings of a recipe that the model decides. */
const decided = /^(?:image|tokenizer)(?:\.|=)/u;

/** A recipe whose images and ids are those of a model. */
export interface ModelRecipe {
  readonly recipe: PrepareRecipe;
  /** Path of the model's tokenizer.json, which is no part of the recipe: the same model may lie in another folder. */
  readonly tokenizerFile: string;
  readonly tokenizerHash: string;
}

/**
 * Lays tokenizer, image size, fit and background of a run or model over a recipe; rows of text become no longer than
 * the model reads.
 * @param settings of the user; those that the model decides are refused
 * @throws ConfigError for such a setting, or a model of other than square RGB images; StateError for a folder without a
 * model
 */
export const recipeForModel = async (
  recipe: PrepareRecipe,
  folder: string,
  settings: readonly string[] = [],
): Promise<ModelRecipe> => {
  const decisive = settings.find((setting) => decided.test(setting.trim()));
  if (decisive !== undefined) {
    throw new ConfigError(
      `prepare for ${folder}: expected no setting of image and tokenizer, which the model decides, got --set ${decisive}; leave it out`,
      { code: 'decided-by-model', fields: { folder, setting: decisive } },
    );
  }
  const { config, tokenizerFile } = await readModelConfig(folder);
  const { height, width, channels, fit, background } = config.image;
  if (height !== width || channels !== 3) {
    throw new ConfigError(
      `prepare for ${folder}: expected a model of square RGB images, got ${height} x ${width} x ${channels}; prepare the suite without --for`,
      { fields: { folder, image: config.image } },
    );
  }
  // The hash in the config must be that of the file, or the suite would be one of neither.
  const { hash } = loadTokenizer(tokenizerFile, { expectedHash: config.tokenizerHash });
  const { vocabularySize, lowercase, maxCharacters } = recipe.tokenizer;
  return {
    recipe: {
      ...recipe,
      image: {
        ...recipe.image,
        size: height,
        ...(fit === undefined ? {} : { fit }),
        ...(background === undefined ? {} : { background }),
      },
      text: { ...recipe.text, length: Math.min(recipe.text.length, modelSize(config).textLength) },
      tokenizer: { vocabularySize, lowercase, maxCharacters },
    },
    tokenizerFile,
    tokenizerHash: hash,
  };
};
