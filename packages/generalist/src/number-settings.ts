/** Numbers of a recipe, each with bounds that no honest use meets. */
import { z } from 'zod';

/** Factors, rates and deviations. */
export const MAX_FACTOR = 1e6;

export const share = z.number().min(0).max(1);
export const count = (most: number) => z.number().min(1).max(most).int();
/** At least 0. */
export const amount = (most: number) => z.number().min(0).max(most);
/** Above 0. */
export const above = (most: number) => z.number().positive().max(most);
