import { settingsOfStart, type ModelImage, type Recipe } from '@polygate/generalist';
import { readStart } from './run-folder.ts';

/** What decides settings of the model that the recipe leaves open. */
export interface ModelSettingsContext {
  /** Images of the suite. */
  readonly image: ModelImage;
  /** Run folder that has a checkpoint to go on from: it keeps what was decided when it began. */
  readonly resumed: string | undefined;
}

/** The recipe's model with the settings that its start decides, such as the scale of its grid. */
export const modelSettings = async (
  recipe: Recipe,
  { image, resumed }: ModelSettingsContext,
): Promise<Recipe['model']> => {
  const { model, initialize } = recipe;
  if (!initialize) return model;
  const decided =
    resumed === undefined ? await settingsOfStart(initialize, { model, image }) : await readStart(resumed);
  // What a start decides is a part of what the same architecture may say.
  return { ...decided, ...model } as Recipe['model'];
};
