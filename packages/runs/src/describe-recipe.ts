import {
  accountParameters,
  countFlops,
  formatExperts,
  formatParameterParts,
  formatParameterTable,
  presetNamed,
} from '@polygate/encoder';
import { encoderOf, type Recipe } from '@polygate/generalist';
import { describeSize, estimateSize } from './size-estimate.ts';

/** Side of the pictures that the operations are counted for: the paper's. */
const PIXELS = 224;
/** Tokens of a row of text that memory is estimated for: the paper's. */
const TEXT_LENGTH = 128;

/** Stand for the tasks of a recipe that takes what its suite allows: one of each family. */
const UNNAMED_TASKS: readonly string[] = ['classification', 'language', 'captioning', 'retrieval'];

/**
 * The parameter table of a recipe's encoder, its dense form beside it, and the operations of one picture. Nothing is
 * allocated. Sizes are the preset's own: a suite's vocabulary replaces the preset's when it is trained.
 * @throws ConfigError for an unknown preset or sizes that make no encoder
 */
export const describeRecipe = (recipe: Recipe): string => {
  const { preset } = recipe.model;
  const { vocabularySize, patch } = presetNamed(preset);
  const named = Object.keys(recipe.tasks);
  const tasks = named.length > 0 ? named : UNNAMED_TASKS;
  const encoder = encoderOf(recipe.model, { vocabularySize, channels: patch.channels, tasks });
  const { moe, ...dense } = encoder;
  const models = [{ name: moe ? `${preset}, dense` : preset, config: dense }];
  if (moe) models.push({ name: preset, config: encoder });
  const patches = Math.floor(PIXELS / encoder.patch.size) ** 2;
  const flops = countFlops(encoder, { length: patches + 1, patches });
  return [
    formatParameterTable(models),
    '',
    formatParameterParts(accountParameters(encoder)),
    '',
    formatExperts(encoder),
    `one picture of ${PIXELS}x${PIXELS} (${patches + 1} tokens): ${(flops.forward / 1e9).toFixed(1)} GFLOP forward, ${(flops.training / 1e9).toFixed(1)} in training${flops.routing > 0 ? `, ${(flops.routing / 1e9).toFixed(2)} of them for routers` : ''}`,
    ...(named.length > 0
      ? [describeSize(recipe, estimateSize(recipe, { encoder, pixels: PIXELS, textLength: TEXT_LENGTH }))]
      : []),
  ].join('\n');
};
