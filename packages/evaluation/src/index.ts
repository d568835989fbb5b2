export { accuracy, argmaxRows, bestOfRows } from './classification.ts';
export type { Labels, SampleScores } from './classification.ts';
export { classF1, confusionMatrix, expectedConfusion, macroF1 } from './confusion.ts';
export { macroF1Statistic, matthewsCorrelation } from './confusion.ts';
export {
  averageClassScores,
  balancedAccuracy,
  balancedAccuracyStatistic,
  classAverages,
  classScores,
  cohensKappa,
} from './class-scores.ts';
export type { ClassAverage, ClassScore, KappaWeights } from './class-scores.ts';
export { areaUnderRoc, averageOverClasses, averagePrecision, oneVersusRest } from './ranking-curves.ts';
export type { ClassRankingOptions, ClassRankings, RankingScore } from './ranking-curves.ts';
export {
  meanAveragePrecision,
  meanRank,
  meanReciprocalRank,
  median,
  medianRank,
  normalizedGain,
} from './ranked-lists.ts';
export type { DiscountedGainOptions, RankedQuery } from './ranked-lists.ts';
export {
  brierScore,
  calibration,
  calibrationOf,
  confidencesOf,
  negativeLogLikelihood,
} from './calibration.ts';
export type { Calibration, CalibrationOptions, Confidences, ReliabilityBin } from './calibration.ts';
export { mcnemarTest, pairedBootstrap, permutationTest, randomizationTest } from './paired-tests.ts';
export type { BootstrapComparison, McnemarResult, PermutationOptions, TestResult } from './paired-tests.ts';
export { compareCorpora, compareOutcomes, holmAdjusted } from './comparison.ts';
export { corpusStatistic } from './corpus-statistics.ts';
export type { CorpusOutcomes, CorpusStatistic } from './corpus-statistics.ts';
export type { OutcomeComparison } from './comparison.ts';
export type { Embeddings, LabelledEmbeddings } from './embeddings.ts';
export { neighbourVotes } from './embedding-neighbours.ts';
export type { EmbeddingNeighboursOptions } from './embedding-neighbours.ts';
export { chooseStrength, fitLinearProbe, probeProbabilities } from './linear-probe.ts';
export type { LinearProbe, LinearProbeOptions } from './linear-probe.ts';
export { expectedRanks, labelRanks, topK, topKAccuracy } from './ranks.ts';
export type { Ranks } from './ranks.ts';
export { bitsPerByte, labelLogProbabilities, perplexity } from './language-modelling.ts';
export { onePerImage, retrievalRecall } from './retrieval.ts';
export type { DirectionRanks, Recall, RetrievalPairs, RetrievalScores } from './retrieval.ts';
export { answerWords } from './answer-words.ts';
export { captionWords, treebankWords } from './caption-words.ts';
export type { CaptionPair, WordSplitter } from './caption-words.ts';
export { bleu, bleuCounts, bleuOfCounts, bleuSmoothings, sumBleuCounts } from './bleu.ts';
export type { BleuCounts, BleuOptions, BleuScores, BleuSmoothing, CorpusBleuOptions } from './bleu.ts';
export { cider, ciderD, documentFrequencies } from './cider.ts';
export type { CiderOptions, DocumentFrequencies } from './cider.ts';
export { exactMatch, overlapWith, rougeL, tokenF1 } from './text-overlap.ts';
export { bootstrapInterval, bootstrapStatistic } from './bootstrap.ts';
export type { BootstrapOptions, Interval } from './bootstrap.ts';
export { meanInterval, pairedDifference } from './mean-interval.ts';
export type { MeanOptions, PairedDifference } from './mean-interval.ts';
export { studentQuantile } from './distributions.ts';
export { binomialTail, exactInterval, wilsonInterval } from './proportions.ts';
export { chanceMacroF1, chanceRecall, chanceTopK } from './chance.ts';
export { majorityBaseline, mostFrequentCaption, unigramBaseline } from './chance.ts';
export type { UnigramBaseline, UnigramOptions } from './chance.ts';
export { naiveBayesLabels } from './naive-bayes.ts';
export type { LabelledTokens, NaiveBayesOptions } from './naive-bayes.ts';
export { neighbourLabels, pixelNeighbours } from './pixel-neighbours.ts';
export type { Neighbours, ImageSet } from './pixel-neighbours.ts';
export { shrinkImages } from './shrink-images.ts';
export { beatsChance, reportMean, reportStatistic, scoreReportRule } from './score-report.ts';
export type { ClassRow, SampleOutcomes, ScoreContext, ScoreReport, ScoreTables } from './score-report.ts';
export { formatNumber, formatScores } from './score-table.ts';
export type { TableOptions } from './score-table.ts';
export { computeSaving, multitaskGain, type GainedScore } from './multitask-gain.ts';
export { fitRidge, nearestRow } from './ridge.ts';
export type { RidgeModel, RidgeTraining } from './ridge.ts';
