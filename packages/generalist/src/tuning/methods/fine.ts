/**
 * Fine-tuning: the base's own weights go on being trained, on the tasks that are tuned alone; all of them or some. Rates that
 * fall from layer to layer are the optimizer's (`optimizer.layerDecay`), smoothing of labels is the task's.
 */
import { z } from 'zod';
import type { TuningMethod } from '../tuning-method.ts';

const fineSettings = {
  /** Names or patterns of parameters that stay as they are: `embedding.*`, `blocks.*.attention.*`. */
  frozen: z.array(z.string().min(1)).default([]),
  /**
   * `merged` merges the experts for the kinds of segments that the tasks have, and trains what comes of it as dense weights;
   * an exported model is tuned so whatever is said.
   */
  experts: z.enum(['kept', 'merged']).default('kept'),
};

type FineSettings = Readonly<z.output<z.ZodObject<typeof fineSettings>>>;

export const fineTuning: TuningMethod<FineSettings> = {
  name: 'fine',
  summary:
    'the base’s own weights from where they are, all or but for frozen ones, with experts kept or merged',
  settings: fineSettings,
  trains: ({ frozen }) => (frozen.length > 0 ? { except: frozen } : undefined),
  merges: ({ experts }) => experts === 'merged',
};
