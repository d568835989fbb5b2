/** Ranges of settings that optimizers share, as schemas of recipes and as checks of what programs give. */
import { ConfigError } from '@polygate/core';
import { z } from 'zod';

/** Rates, decays and factors beyond this are mistakes. */
const MAX_SETTING = 1e6;

/** Schemas of numbers. */
export const settingRanges = {
  /** At least 0. */
  amount: z.number().min(0).max(MAX_SETTING),
  /** Above 0. */
  above: z.number().positive().max(MAX_SETTING),
  /** In [0, 1). */
  share: z.number().min(0).lt(1),
} as const;

const inRange = {
  'at least 0': (value: number) => value >= 0 && value < Infinity,
  'above 0': (value: number) => value > 0 && value < Infinity,
  '[0, 1)': (value: number) => value >= 0 && value < 1,
} as const;

/** @throws ConfigError for a setting out of its range */
export const expectSetting = (
  label: string,
  settings: Readonly<Record<string, number>>,
  range: keyof typeof inRange,
): void => {
  for (const [name, value] of Object.entries(settings)) {
    if (inRange[range](value)) continue;
    const words = { 'at least 0': 'of at least 0', 'above 0': 'above 0', '[0, 1)': 'in [0, 1)' }[range];
    throw new ConfigError(`${label}: expected ${name} ${words}, got ${value}`, { fields: { [name]: value } });
  }
};
