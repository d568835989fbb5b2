/** The recipe `small-images` against changes of one of its settings. */
import { smallImages, type RecipeInput } from '@polygate/generalist';
import type { PreparedSet } from './prepare-sets.ts';
import type { SmallExperiment, SmallVariant } from './small-experiment.ts';

const fitted = ({ suite, folder }: PreparedSet): RecipeInput => smallImages(suite, { folder }).recipe;

/** The recipe with another augmentation of its tasks; none without. */
const augmented = (recipe: RecipeInput, augmentation?: object): RecipeInput => {
  const tasks = Object.entries(recipe.tasks ?? {}).map(([name, task]) => [name, { ...task, augmentation }]);
  return { ...recipe, tasks: Object.fromEntries(tasks) as NonNullable<RecipeInput['tasks']> };
};

const withModel = (name: string, label: string, model: NonNullable<RecipeInput['model']>): SmallVariant => ({
  name,
  label,
  recipe: (prepared) => {
    const recipe = fitted(prepared);
    return { ...recipe, model: { ...recipe.model, ...model } as NonNullable<RecipeInput['model']> };
  },
});

/** The model and the augmentation that the demo trains emoji with, as long as the recipe trains. */
const demo = { flip: 0.5, shift: 0.1, zoom: 0.2, turn: 12, tone: 0.2 };
const ofDemo = {
  preset: 'mini-moe',
  layers: 3,
  width: 128,
  heads: 4,
  hidden: 512,
  patchSize: 16,
  layerScale: 1,
} as const;

export const smallImagesExperiment: SmallExperiment = {
  name: 'small-images',
  title: 'Settings for small sets of images',
  question:
    'With which settings does a model that is trained on a few hundred images beat the nearest image by pixels, and what does each of them change?',
  baseline: 'recipe',
  variants: [
    { name: 'recipe', label: '`small-images`', recipe: fitted },
    { name: 'plain', label: 'no augmentation', recipe: (prepared) => augmented(fitted(prepared)) },
    {
      name: 'strong',
      label: 'augmentation of the demo',
      recipe: (prepared) => augmented(fitted(prepared), demo),
    },
    withModel('patches', 'patches of 8', { patchSize: 8 }),
    withModel('wide', '4 blocks of width 192', { layers: 4, width: 192, heads: 6, hidden: 768 }),
    withModel('experts', 'attribute experts', { preset: 'mini-moe' }),
    {
      name: 'demo',
      label: 'model and augmentation of the demo',
      recipe: (prepared) => ({ ...augmented(fitted(prepared), demo), model: ofDemo }),
    },
  ],
};
