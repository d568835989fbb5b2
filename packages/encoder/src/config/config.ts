/** What defines an encoder: its shape, and where experts are. Plain JSON. */
import { resolveExperts, type ExpertConfig, type ResolvedExperts } from './expert-config.ts';
import { ENCODER_LIMITS } from './limits.ts';
import { BLOCK_LINEARS, isConditional } from '../experts/placement.ts';
import { check } from '@polygate/modalities';
import { resolveEncoderShape, type EncoderShape, type ResolvedEncoderShape } from './shape-config.ts';

/** An encoder. */
export interface EncoderConfig extends EncoderShape {
  /** Absent in a dense encoder. */
  readonly moe?: ExpertConfig;
}

/** A checked encoder configuration with nothing left open. */
export interface ResolvedEncoderConfig extends ResolvedEncoderShape {
  readonly moe?: ResolvedExperts;
}

const checkExpertLinears = (layers: number, moe: ResolvedExperts): void => {
  const linears = BLOCK_LINEARS.filter((linear) => isConditional(moe, 0, linear)).length;
  const all = Math.ceil(layers / moe.every) * linears * moe.experts;
  check(all <= ENCODER_LIMITS.expertLinears, 'layers x moe.experts', [
    `to make at most ${ENCODER_LIMITS.expertLinears} expert linears`,
    all,
  ]);
};

/**
 * Fills in the defaults and checks the whole.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderConfig = (config: EncoderConfig): ResolvedEncoderConfig => {
  const { moe, ...shape } = config;
  if (moe) checkExpertLinears(resolveEncoderShape(shape).layers, resolveExperts(moe));
  return Object.freeze({ ...resolveEncoderShape(shape), ...(moe ? { moe: resolveExperts(moe) } : {}) });
};
