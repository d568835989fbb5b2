export {
  accuracy,
  argmaxRows,
  classF1,
  confusionMatrix,
  labelRanks,
  macroF1,
  matthewsCorrelation,
  topK,
  topKAccuracy,
} from './classification.ts';
export type { Labels, SampleScores } from './classification.ts';
export { bitsPerByte, labelLogProbabilities, perplexity } from './language-modelling.ts';
export { onePerPicture, retrievalRecall } from './retrieval.ts';
export type { RetrievalPairs, RetrievalScores } from './retrieval.ts';
export { captionWords } from './caption-words.ts';
export type { CaptionPair, WordSplitter } from './caption-words.ts';
export { bleu, bleuCounts, bleuOfCounts, sumBleuCounts } from './bleu.ts';
export type { BleuCounts, BleuScores } from './bleu.ts';
export { ciderD } from './cider.ts';
export { exactMatch, rougeL, tokenF1 } from './text-overlap.ts';
export { bootstrapInterval, bootstrapStatistic, pairedDifference } from './bootstrap.ts';
export type { BootstrapOptions, Interval, PairedDifference } from './bootstrap.ts';
export { binomialTail, exactInterval, wilsonInterval } from './proportions.ts';
export {
  chanceRecall,
  chanceTopK,
  majorityBaseline,
  mostFrequentCaption,
  unigramBaseline,
} from './chance.ts';
export type { UnigramBaseline, UnigramOptions } from './chance.ts';
export { neighbourLabels, pixelNeighbours } from './pixel-neighbours.ts';
export type { Neighbours, PictureSet } from './pixel-neighbours.ts';
export { shrinkPictures } from './shrink-pictures.ts';
export { beatsChance, reportMean, reportStatistic } from './score-report.ts';
export type { ScoreContext, ScoreReport } from './score-report.ts';
export { formatNumber, formatScores } from './score-table.ts';
export type { TableOptions } from './score-table.ts';
