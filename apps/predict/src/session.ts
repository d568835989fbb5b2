/** A model of a run folder on an engine, ready for predictions. */
import type { Logger } from '@polygate/core';
import { openRun, type OpenRun, type OpenRunOptions } from '@polygate/runs';

export interface PredictOptions extends Omit<OpenRunOptions, 'logger'> {
  /** Folder of a run or of a model. */
  readonly run: string;
  /** Task of the model that is asked, for routers that look at it. @default the first of the prediction's family */
  readonly task?: string;
}

export interface PredictContext {
  readonly logger?: Logger;
}

/**
 * Runs `work` with the model of a run folder and frees it afterwards.
 * @throws StateError for a folder without a model, EngineError for an engine that isn't there, and what `work` throws
 */
export const withModel = async <A>(
  options: PredictOptions,
  context: PredictContext,
  work: (opened: OpenRun) => Promise<A>,
): Promise<A> => {
  const { run } = options;
  using opened = await openRun(run, { ...options, ...context });
  const { model } = opened;
  if (model.config.image.fit === undefined) {
    context.logger?.info(
      `${run} does not say how its images were made: they are read whole on white, which fits suites of the default image.fit and image.background`,
    );
  }
  return await work(opened);
};
