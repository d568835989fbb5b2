/**
 * How texts are written token by token: one record of settings, which recipes, evaluation and predictions take alike.
 *
 * Defaults follow the published captioner (Uni-Perceiver-MoE): a beam of 2 and 21 tokens, finished texts stay in the beam
 * and take up room there. Departs from it in two: a text has a token before its end, and at the longest length the end is
 * written whatever it costs, so that every text is a whole one.
 */
import { ConfigError, excerpt } from '@polygate/core';
import { z } from 'zod';

/** Texts that are followed, and tokens of one: more are nobody's text. */
const MAX_BEAM = 1024;
const MAX_TOKENS = 2 ** 16;

const count = (most: number) => z.number().int().min(1).max(most);

/** Settings of generation in recipes and in options. */
export const generationSettings = z.strictObject({
  /** `beam` searches for likely texts, `greedy` takes the likeliest token each time, `sample` draws. @default 'beam' */
  method: z.enum(['beam', 'greedy', 'sample']).optional(),
  /** Texts that beam search follows. @default 2 */
  beam: count(MAX_BEAM).optional(),
  /** Longest text in tokens, end token included. @default 21, or the model's longest if that is less */
  maximumTokens: count(MAX_TOKENS).optional(),
  /** Shortest text in tokens, end token included. @default 2 */
  minimumTokens: count(MAX_TOKENS).optional(),
  /** Power of the number of tokens, end included, that a sum of log p is divided by; 0 leaves sums. @default 0 */
  lengthPenalty: z.number().min(0).max(16).optional(),
  /**
   * What beam search does with finished texts: they stay in the beam, where they go on at no cost and leave less room for
   * others (published), or are put aside, so that it always follows `beam` running ones until none beats them as it stands.
   * @default 'stay'
   */
  finished: z.enum(['stay', 'aside']).optional(),
  /** Of the distribution that is drawn from; below 1 sharpens it. @default 1 */
  temperature: z.number().min(1e-3).max(1e3).optional(),
  /** Only so many of the likeliest tokens are drawn from. @default all */
  topK: count(2 ** 24).optional(),
  /** Only the fewest likeliest tokens that reach this probability together are drawn from. @default 1 */
  topP: z.number().gt(0).max(1).optional(),
  /** A run of so many tokens is not written twice in a text; 0 for any run. @default 0 */
  uniqueNgram: z.number().int().min(0).max(MAX_TOKENS).optional(),
  /** log p of tokens that stand in the text is multiplied by it; above 1 makes them less likely. @default 1 */
  repetitionPenalty: z.number().min(1).max(1e3).optional(),
  /** Texts of each sample, best first. @default the beam; 1 where it draws or takes the likeliest token */
  count: count(MAX_BEAM).optional(),
  /** Of draws; each sample draws by its place. @default 1 */
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});

/** Settings of generation as they may be given. */
export type GenerationOptions = {
  readonly [Name in keyof z.output<typeof generationSettings>]?:
    z.output<typeof generationSettings>[Name] | undefined;
};

/** With nothing left open. */
export type ResolvedGeneration = {
  readonly [Name in keyof z.output<typeof generationSettings>]-?: NonNullable<
    z.output<typeof generationSettings>[Name]
  >;
};

/** Longest text by default, end token included: published. */
const PUBLISHED_TOKENS = 21;

const refuse = (expected: string, got: string): never => {
  throw new ConfigError(`generation: expected ${expected}, got ${got}`);
};

/**
 * Fills in the defaults and checks the whole.
 * @param longest tokens of the longest text that the model has positions for
 * @param layers settings, those that count most first; what is undefined leaves the next to decide
 * @throws ConfigError naming the setting, what it expects and what it got
 */
export const resolveGeneration = (
  longest: number,
  ...layers: readonly (GenerationOptions | undefined)[]
): ResolvedGeneration => {
  const given: Record<string, unknown> = {};
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) {
      if (value !== undefined && given[name] === undefined) given[name] = value;
    }
  }
  const parsed = generationSettings.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = issue?.path.join('.') ?? '';
    throw new ConfigError(
      `generation: ${name === '' ? '' : `${name}: `}${issue?.message ?? 'not a record of settings'}, got ${excerpt(given[name])}; the settings are ${Object.keys(generationSettings.shape).join(', ')}`,
      { fields: { setting: name } },
    );
  }
  const { method = 'beam', beam = 2, ...rest } = parsed.data;
  const width = method === 'beam' ? beam : 1;
  const maximumTokens = rest.maximumTokens ?? Math.min(PUBLISHED_TOKENS, longest);
  const resolved = {
    method,
    beam,
    maximumTokens,
    minimumTokens: Math.min(2, maximumTokens),
    lengthPenalty: 0,
    finished: 'stay',
    temperature: 1,
    topK: 2 ** 24,
    topP: 1,
    uniqueNgram: 0,
    repetitionPenalty: 1,
    count: width,
    seed: 1,
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
  } as ResolvedGeneration;
  if (resolved.minimumTokens > maximumTokens) {
    refuse(`minimumTokens of at most maximumTokens (${maximumTokens})`, String(resolved.minimumTokens));
  }
  if (method !== 'sample' && resolved.count > width) {
    refuse(
      method === 'beam'
        ? `a count of at most the beam (${beam})`
        : 'a count of 1 where the likeliest token is taken',
      `${resolved.count}; ${method === 'beam' ? 'widen the beam' : 'search with a beam, or sample'}`,
    );
  }
  return resolved;
};
