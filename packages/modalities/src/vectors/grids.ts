/** Modalities of grids of one channel: spectrograms of sounds, and images of depth. */
import { ConfigError, excerpt } from '@polygate/core';
import { gridLayout } from './grid-layout.ts';
import { scalesOf, type Scale } from './token-layout.ts';
import { vectorModality, type VectorFacts, type VectorInput } from './vector-modality.ts';

/** Sides of a patch where nothing is said, as audio transformers and vision transformers have them. */
const PATCH = [16, 16] as const;

/** The sides of a grid, without an axis of one channel. */
const sidesOf = (shape: readonly (number | null)[] = []): readonly (number | null)[] => {
  if (shape.length !== 3) return shape;
  if (shape[2] === 1) return shape.slice(0, 2);
  return shape[0] === 1 ? shape.slice(1) : shape;
};

const layout = (input: VectorInput): ReturnType<VectorFacts['layout']> => {
  const { stored, name, patch: [high = 1, wide = 1] = PATCH } = input;
  const { shape, overall, gaps = false } = stored;
  const [, across, ...others] = sidesOf(shape);
  if (typeof across !== 'number' || others.length > 0) {
    throw new ConfigError(
      `input "${name}": expected an array [rows, columns] of one channel for ${stored.modality}, got the shape ${excerpt(shape)}; choose another modality, or another array`,
      { code: 'input-shape', fields: { input: name } },
    );
  }
  const [scale] = scalesOf(overall && [overall]);
  return gridLayout({ across, patch: [high, wide], scale: scale as Scale, gaps });
};

const gridModality = (name: string, summary: string) =>
  vectorModality({ name, summary, axes: 2, isOrdered: true, patch: PATCH, layout });

/** Sounds as log-mel spectrograms [frames, bands]. */
export const audio = gridModality('audio', 'patches of spectrograms, on axes of time and frequency');

/** Distances of what a camera sees, [rows, columns]. */
export const depth = gridModality('depth', 'patches of depth images');
