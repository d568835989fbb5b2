import { fault, type Fault } from '../../samples/sample.ts';
import type { InputForm } from './input-form.ts';

/** Made-up steps of an axis whose lengths differ. */
const STEPS = 8;

const fitsShape = (got: readonly number[], wanted: readonly (number | null)[]): boolean =>
  got.length === wanted.length && wanted.every((side, axis) => side === null || side === got[axis]);

/** Infinite numbers have no place on any scale. */
const infinite = (numbers: ArrayLike<number>): number | undefined => {
  for (let i = 0; i < numbers.length; i += 1) if (Math.abs(numbers[i] ?? 0) === Infinity) return i;
  return undefined;
};

/** Arrays of numbers, as lists of float32; NaN is a gap. */
export const valueForm: InputForm = {
  name: 'values',
  summary: 'arrays of numbers, row-major; NaN where one is missing',
  isMeasured: true,
  column: () => ({ list: 'float32' }),
  cell(content, { id, stored }): Float32Array | Fault {
    const { shape = [] } = stored;
    if (content.kind !== 'values')
      return fault(
        id,
        'no-array',
        `expected an array of numbers for ${stored.modality}, got another content`,
      );
    if (!fitsShape(content.shape, shape))
      return fault(
        id,
        'array-shape',
        `expected an array (${shape.map((side) => side ?? 'any').join(', ')}) for ${stored.modality}, got (${content.shape.join(', ')})`,
      );
    const numbers = Float32Array.from(content.values as unknown as ArrayLike<number>);
    const at = infinite(numbers);
    return at === undefined
      ? numbers
      : fault(
          id,
          'infinite-number',
          `expected numbers that a float32 holds, or NaN for missing ones, got ${numbers[at] ?? 0} at place ${at} for ${stored.modality}`,
        );
  },
  missing: () => new Float32Array(0),
  synthetic({ stored: { shape = [], columns }, random }) {
    const count = columns?.length ?? shape.reduce<number>((product, side) => product * (side ?? STEPS), 1);
    return Float32Array.from({ length: count }, (_, i) => {
      const column = columns?.[i];
      return column?.kind === 'category' ? random.integer(column.values.length) : random.normal();
    });
  },
};
