/** Tuning the mini generalist to small sets against training on them from scratch. */
import { smallImages, type RecipeInput, type TunedBy } from '@polygate/generalist';
import type { SmallExperiment, SmallVariant } from './small-experiment.ts';

type Optimizer = NonNullable<RecipeInput['optimizer']>;

/** Tuned by a method as the recipe has it, or with a change of its optimizer. */
const tuned = (
  method: TunedBy,
  label: string,
  { name = method, optimizer = {} }: { readonly name?: string; readonly optimizer?: Partial<Optimizer> } = {},
): SmallVariant => ({
  name,
  label,
  recipe: ({ suite, folder }) => {
    const { recipe } = smallImages(suite, { folder, tuned: method });
    return { ...recipe, optimizer: { ...recipe.optimizer, ...optimizer } as Optimizer };
  },
});

export const transfer: SmallExperiment = {
  name: 'transfer',
  title: 'From a pre-trained model, and from scratch',
  question:
    'Does a model that was pre-trained on the full mini suite do better on small sets of images than one that begins from scratch, with as many steps, fine-tuned and with prompts?',
  baseline: 'scratch',
  base: 'mini-generalist',
  variants: [
    {
      name: 'scratch',
      label: 'from scratch',
      recipe: ({ suite, folder }) => smallImages(suite, { folder }).recipe,
    },
    tuned('fine', 'fine-tuned'),
    tuned('fine', 'with a rate of 1e-4', { name: 'fine-slow', optimizer: { learningRate: 1e-4 } }),
    tuned('fine', 'with rates falling by 0.75 a layer', {
      name: 'fine-decay',
      optimizer: { layerDecay: 0.75 },
    }),
    tuned('prompt', 'prompts'),
  ],
};
