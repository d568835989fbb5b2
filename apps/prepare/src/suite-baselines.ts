/** What is known of a written dataset from its shards: of its training split, and of simple baselines. */
import { kindNamed, type BaselineContext, type SuiteDataset } from '@polygate/datasets';

/** The dataset with the baselines of its kind; one without training split or anything held out has none. */
export const withBaselines = async (
  dataset: SuiteDataset,
  context: Omit<BaselineContext, 'dataset'>,
): Promise<SuiteDataset> => {
  if (!dataset.splits['train']?.rows || Object.keys(dataset.splits).length < 2) return dataset;
  const baselines = await kindNamed(dataset.kind).baselines?.({ ...context, dataset });
  return { ...dataset, ...baselines };
};

/** The dataset with what its kind measures of the training split; one without that split is as it was prepared. */
export const withMeasures = async (dataset: SuiteDataset, directory: string): Promise<SuiteDataset> => {
  const { measured } = kindNamed(dataset.kind);
  if (!measured || !dataset.splits['train']?.rows) return dataset;
  return { ...dataset, settings: await measured({ directory, dataset }) };
};
