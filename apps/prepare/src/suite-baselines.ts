/** Baselines of a written suite, from its shards. */
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
