export { symmetricContrastive } from './contrastive.ts';
export type { SymmetricContrastiveOptions } from './contrastive.ts';
export { equalityMask, similarityCrossEntropy, similarityLogits } from './similarity.ts';
export type { SimilarityCrossEntropyOptions } from './similarity.ts';
export { mixedCrossEntropy } from './mixed.ts';
export type { MixedTargets } from './mixed.ts';
export { meanSquaredError, multiLabelCrossEntropy } from './values.ts';
