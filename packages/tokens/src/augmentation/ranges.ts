import { z } from 'zod';

/** From and to. */
export const ascending = (end: z.ZodNumber) =>
  z.tuple([end, end]).refine(([from, to]) => from <= to, 'expected the smaller number first');
