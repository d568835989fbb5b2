/**
 * Text classification in cloze form on a suite of labelled texts, with the class names as words and the default pattern.
 * Command: npx polygate pretrain --recipe labelled-text --set suite=data/NAME
 * Dense and small: what some thousand sentences can train in minutes on two cores.
 */
import type { RecipeInput } from '@polygate/generalist';

export const labelledText = {
  name: 'labelled-text',
  suite: 'data/texts',
  // Branches at full strength from the start, as in the demo: small steps over small data.
  model: { preset: 'mini', layers: 2, width: 96, heads: 4, hidden: 384, layerScale: 1, dropPath: 0.1 },
  // Every task that the suite allows: text classification of each labelled dataset, masked tokens of plain text.
  tasks: {},
  optimizer: { learningRate: 1e-3, clipNorm: 1 },
  steps: '20 epochs',
  validation: { every: '10%', limit: 256, best: { score: 'validation/loss' } },
} satisfies RecipeInput;
