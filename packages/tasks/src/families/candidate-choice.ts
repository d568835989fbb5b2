/** How the candidates of a recipe's task are chosen. */
import type { CandidateChoice } from '../candidates.ts';
import type { TaskContext } from './family.ts';
import type { CandidateSettingsInput } from './settings.ts';

/** Above this many tokens, training samples its candidates unless the recipe says otherwise. */
const WHOLE_VOCABULARY = 1024;
const DEFAULT_NEGATIVES = 512;

interface CandidateRecipe {
  readonly candidates?: CandidateSettingsInput;
}

/** Class names: whole unless the recipe samples; classes have no counts here, so they are drawn evenly. */
export const classChoice = (
  { candidates }: CandidateRecipe,
  { training = true }: TaskContext,
): CandidateChoice =>
  !training || !candidates || candidates.kind === 'whole'
    ? { kind: 'whole' }
    : { ...candidates, distribution: 'uniform' };

const vocabularySettings = (
  { candidates }: CandidateRecipe,
  vocabularySize: number,
): NonNullable<CandidateSettingsInput> =>
  candidates ??
  (vocabularySize > WHOLE_VOCABULARY
    ? {
        kind: 'sampled',
        negatives: DEFAULT_NEGATIVES,
        distribution: 'unigram',
        power: 0.75,
        uniformShare: 0.1,
      }
    : { kind: 'whole' });

/** Whether a task samples tokens of the vocabulary, and so wants to know how often each is a label. */
export const samplesVocabulary = (recipe: CandidateRecipe, { size }: { readonly size: number }): boolean =>
  vocabularySettings(recipe, size).kind === 'sampled';

/** Tokens of the vocabulary: a sample of a large one by label frequency unless the recipe says otherwise. */
export const vocabularyChoice = (recipe: CandidateRecipe, context: TaskContext): CandidateChoice => {
  const { tokenizer, training = true, frequencies, drawFrequencies } = context;
  const choice = vocabularySettings(recipe, tokenizer.size);
  if (!training || choice.kind === 'whole') return { kind: 'whole' };
  return {
    ...choice,
    ...(frequencies ? { frequencies } : {}),
    ...(drawFrequencies ? { drawFrequencies } : {}),
  };
};
