/** How augmentation, patches and the number of steps go together, on a small dense model from scratch. */
import type { RecipeInput } from '@polygate/generalist';
import type { PreparedSet } from './prepare-sets.ts';
import type { SmallExperiment, SmallVariant } from './small-experiment.ts';

const light = { shift: 0.08, turn: 8 };
/** What the demo trains emoji with. */
const strong = { flip: 0.5, shift: 0.1, zoom: 0.2, turn: 12, tone: 0.2 };

interface Change {
  readonly steps: string;
  readonly augmentation?: object;
  readonly patchSize?: number;
}

const trained = ({ set }: PreparedSet, { steps, augmentation, patchSize = 16 }: Change): RecipeInput => {
  const task = { family: 'image-classification', dataset: set.name, batchSize: 32 } as const;
  const model = { layers: 3, width: 128, heads: 4, hidden: 512, patchSize, layerScale: 1, moe: null };
  return {
    model: { preset: 'mini-moe', ...model },
    tasks: { [set.name]: { ...task, ...(augmentation ? { augmentation } : {}) } },
    optimizer: { learningRate: 8e-4, clipNorm: 1 },
    steps,
    validation: {
      every: steps.endsWith('epochs') ? '10%' : '25%',
      limit: 400,
      splits: ['validation'],
      best: { score: 'validation/accuracy' },
    },
  };
};

const short = (name: string, label: string, change: Omit<Change, 'steps'> = {}): SmallVariant => ({
  name,
  label: `320 steps, ${label}`,
  recipe: (prepared) => trained(prepared, { ...change, steps: '320 steps' }),
});

const long = (name: string, label: string, change: Omit<Change, 'steps'> = {}): SmallVariant => ({
  name,
  label: `40 to 60 epochs, ${label}`,
  recipe: (prepared) => {
    const samples = prepared.suite.datasets[0]?.splits['train']?.rows ?? 0;
    return trained(prepared, { ...change, steps: samples > 500 ? '60 epochs' : '40 epochs' });
  },
});

export const smallSteps: SmallExperiment = {
  name: 'small-steps',
  title: 'Augmentation needs steps',
  question:
    'Which augmentation and which patches can a model of 3 blocks and width 128 use that is trained on some hundred images, in few steps and in many?',
  baseline: 'short',
  variants: [
    short('short', 'none'),
    short('short-light', 'shift and turn', { augmentation: light }),
    short('short-strong', 'that of the demo', { augmentation: strong }),
    short('short-patches', 'none, patches of 8', { patchSize: 8 }),
    long('long', 'none'),
    long('long-light', 'shift and turn', { augmentation: light }),
  ],
};
