import { settingsOfStart, type ModelImage, type Recipe } from '@polygate/generalist';
import { readStart } from './run-folder.ts';

/** What decides settings of the model that the recipe leaves open. */
export interface ModelSettingsContext {
  /** Pictures of the suite. */
  readonly image: ModelImage;
  /** Run folder that has a checkpoint to go on from: it keeps what was decided when it began. */
  readonly resumed: string | undefined;
}

/**
 * The recipe's model with the grid scale of its start: patches of a larger or smaller picture span the coordinates that
 * the start was trained on.
 */
export const modelSettings = async (
  recipe: Recipe,
  { image, resumed }: ModelSettingsContext,
): Promise<Recipe['model']> => {
  const { model, initialize } = recipe;
  if (!initialize || model.gridScale !== undefined) return model;
  const gridScale =
    resumed === undefined
      ? ((await settingsOfStart(initialize, { model, image })).gridScale ?? 1)
      : (await readStart(resumed)).gridScale;
  return gridScale === 1 ? model : { ...model, gridScale };
};
