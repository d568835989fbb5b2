/** What defines an encoder: its shape, and where experts are. Plain JSON. */
import { modalityNamed } from '@polygate/modalities';
import { blockLinears } from '../blocks/linears.ts';
import { resolveExperts, type ExpertConfig, type ResolvedExperts } from './expert-config.ts';
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

/**
 * Fills in the defaults and checks the whole. What it gives may be given again.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderConfig = (config: EncoderConfig): ResolvedEncoderConfig => {
  const { moe, ...rest } = config;
  const shape = resolveEncoderShape(rest);
  if (!moe) return shape;
  const { layers } = shape;
  const modalities = Object.keys(shape.modalities);
  return Object.freeze({
    ...shape,
    moe: resolveExperts(moe, {
      layers,
      linears: blockLinears(shape),
      modalities,
      attributes: modalities.map((name) => modalityNamed(name).attribute),
    }),
  });
};
