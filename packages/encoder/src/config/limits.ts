import { MODALITY_LIMITS } from '@polygate/modalities';

/**
 * Largest sizes of an encoder: well above the largest that anybody trained, and small enough that describing and counting
 * such a model takes no time. Whether its weights have room is another question.
 */
export const ENCODER_LIMITS = Object.freeze({
  layers: 2048,
  width: 2 ** 17,
  heads: 4096,
  hidden: 2 ** 20,
  ...MODALITY_LIMITS,
  experts: 2 ** 14,
  /** Expert linears of all layers together: parameters by name, of which there are two each. */
  expertLinears: 2 ** 18,
});
