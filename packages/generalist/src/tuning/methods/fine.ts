/** Fine-tuning: the base's own weights go on being trained, on the tasks that are tuned alone. */
import type { TuningMethod } from '../tuning-method.ts';

export const fineTuning: TuningMethod = {
  name: 'fine',
  summary: 'all weights of the base, from where they are',
  settings: {},
};
