/** Tuning the mini generalist to small sets against training on them from scratch. */
import { smallImages, type TunedBy } from '@polygate/generalist';
import type { SmallExperiment, SmallVariant } from './small-experiment.ts';

const tuned = (method: TunedBy, label: string): SmallVariant => ({
  name: method,
  label,
  recipe: ({ suite, folder }) => smallImages(suite, { folder, tuned: method }).recipe,
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
    tuned('prompt', 'prompts'),
  ],
};
