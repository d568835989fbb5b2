/** The factor on similarities of a task's family. */
import { INITIAL_TEMPERATURE } from '@polygate/encoder';
import * as tf from '@tensorflow/tfjs';
import type { EncodingModel } from './comparing-model.ts';

/**
 * The learned temperature, or the value that all start from where the model has none of the name: one that was trained on
 * no task of the family, or whose encoder stays as it is under an adapter.
 */
export const temperatureFactor = ({ encoder }: EncodingModel, name: string): tf.Scalar =>
  encoder.config.temperatures.includes(name) ? encoder.temperature(name) : tf.scalar(INITIAL_TEMPERATURE);
