/** Checks of numbers that others choose: a count that nothing honest needs is refused before anything is made of it. */
import { ConfigError } from './errors.ts';
import { excerpt } from './json.ts';

/** The numbers that are allowed, both ends included. */
export interface NumberBounds {
  /** @default 1 for whole numbers, 0 for others */
  readonly least?: number;
  readonly most: number;
}

const refuse = (name: string, value: unknown, expected: string): never => {
  throw new ConfigError(`${name}: expected ${expected}, got ${excerpt(value)}`, {
    code: 'number',
    fields: { name, value },
  });
};

/**
 * The value, where it is a whole number within the bounds.
 * @param name what errors begin with, such as `beamSearch: width`
 * @throws ConfigError for anything else: fractions, NaN, Infinity, texts
 */
export const requireWhole = (name: string, value: unknown, { least = 1, most }: NumberBounds): number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
    ? (value as number)
    : refuse(name, value, `a whole number of ${least} to ${most}`);

/** The value, where it is a number within the bounds. @throws ConfigError for anything else, NaN and Infinity too */
export const requireNumber = (name: string, value: unknown, { least = 0, most }: NumberBounds): number =>
  typeof value === 'number' && value >= least && value <= most
    ? value
    : refuse(name, value, `a number of ${least} to ${most}`);
