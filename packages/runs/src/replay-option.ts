/** Which steps of a model may be replayed. */
import type { Logger } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import type { ReplayOptions } from '@polygate/training';

/** All steps but those whose routers are looked at, which give records; none of a model that does not say what they hang on. */
export const replayOf = (
  model: Generalist,
  isLookedAt: (step: number) => boolean,
  logger: Logger,
): ReplayOptions<TaskBatch> => {
  if (!model.replayKey)
    logger.info(`steps are not replayed: what those of ${model.architecture} do hangs on more than shapes`);
  else if (model.routing)
    logger.info('steps whose routers are looked at are computed plainly; telemetry.every=null looks at none');
  return {
    key: (batch, { step }) => (model.routing && isLookedAt(step) ? undefined : model.replayKey?.(batch)),
  };
};
