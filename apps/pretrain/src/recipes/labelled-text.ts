/**
 * Text classification in cloze form on a suite of labelled texts, with the class names as words and the default pattern.
 * Command: npx polygate pretrain --recipe labelled-text --suite data/NAME
 * Dense and small: what some thousand sentences can train in minutes on two cores. The run is called as the suite is.
 */
import { ConfigError } from '@polygate/core';
import type { Suite } from '@polygate/datasets';
import type { FittedRecipe, RecipeInput } from '@polygate/generalist';

const settings = {
  // Branches at full strength from the start, as in the demo: small steps over small data.
  model: { preset: 'mini', layers: 2, width: 96, heads: 4, hidden: 384, layerScale: 1, dropPath: 0.1 },
  // Every task that the suite allows: text classification of each labelled dataset, masked tokens of plain text.
  tasks: {},
  optimizer: { learningRate: 1e-3, clipNorm: 1 },
  steps: '20 epochs',
} satisfies RecipeInput;

/** @throws ConfigError (code `no-texts`) for a suite without texts with labels to train on */
export const labelledText = (suite: Suite, folder: string): FittedRecipe => {
  const rowsOf = (split: string): number =>
    suite.datasets.reduce(
      (sum, { kind, splits }) => sum + (kind === 'labelled-text' ? (splits[split]?.rows ?? 0) : 0),
      0,
    );
  if (rowsOf('train') === 0) {
    const got = suite.datasets.map(({ name, kind }) => `${name} (${kind})`).join(', ');
    throw new ConfigError(
      `recipe labelled-text: expected texts with labels and a split "train" in ${folder}, got ${got || 'no dataset'}; take another recipe for these`,
      { code: 'no-texts', fields: { suite: folder } },
    );
  }
  const isHeldOut = rowsOf('validation') > 0;
  const best = isHeldOut ? { best: { score: 'validation/loss' } } : {};
  return {
    recipe: {
      ...settings,
      name: suite.name,
      suite: folder,
      validation: { every: '10%', limit: 256, splits: ['validation'], ...best },
    },
    reasons: isHeldOut
      ? []
      : [
          'no best checkpoint: there is no validation split to choose it by (validationPercent), and the last counts',
        ],
  };
};
