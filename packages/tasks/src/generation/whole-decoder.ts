/**
 * Decoding without a cache: each step encodes the start and all texts anew, all texts of a sample in one sequence. What a
 * model is asked by that keeps no keys and values, and what decoding with them is compared with.
 *
 * I samples · K texts of a sample · H tokens of the start, prefix included · t tokens written so far
 */
import { ShapeError } from '@polygate/core';
import { takeSequences, textSegment, type SequenceBatch } from '@polygate/modalities';
import type { TaskModel } from '../model.ts';
import { logSoftmaxRows } from '../scores.ts';
import type { DecoderOptions, TextDecoder, TextStart } from './text-decoder.ts';
import type { TextRow } from './token-rules.ts';

/** A step's tokens. */
export interface TextStepOptions extends Pick<TextStart, 'row' | 'queryToken'> {
  /** t, tokens written so far, the same for every text; 0 at the start. */
  readonly written: number;
  /** K, texts that are tried for each sample. @default 1 */
  readonly texts?: number;
}

/** Sequences with the positions that are asked about. */
export interface TextStep {
  readonly sequences: SequenceBatch;
  /** Flat positions in [I * T] of the query of each text, sample by sample. */
  readonly queries: Int32Array;
}

/**
 * The input of one writing step: the start and, for each of K texts, [w1 .. wt][s_(t+1)], where the query s predicts the
 * next token. A text sees the start and itself alone, so it is the training layout with everything left out that s_(t+1)
 * can't see, and both give it the same features; the start is encoded once for all texts of a sample.
 * @param start I sequences
 * @param tokens [I * K * t] tokens written so far
 * @throws ShapeError for tokens that do not fill the texts
 */
export const textStep = (start: SequenceBatch, tokens: Int32Array, options: TextStepOptions): TextStep => {
  const { row, queryToken, written, texts = 1 } = options;
  const { size, length: head } = start;
  const all = size * texts;
  if (tokens.length !== all * written) {
    throw new ShapeError(
      `textStep: expected ${size} x ${texts} x ${written} = ${all * written} tokens, got ${tokens.length}`,
    );
  }
  const stride = written + 1;
  const length = texts * stride;
  const total = head + length;
  const ids = new Int32Array(size * length);
  for (let text = 0; text < all; text += 1) {
    ids.set(tokens.subarray(text * written, (text + 1) * written), text * stride);
    ids[text * stride + written] = queryToken;
  }
  const visibility = new Uint8Array(total * total);
  for (let query = 0; query < total; query += 1) {
    visibility.fill(1, query * total, query * total + head);
    if (query < head) continue;
    const first = query - ((query - head) % stride);
    visibility.fill(1, query * total + first, query * total + query + 1);
  }
  const { keyPadding: padding } = start;
  const keyPadding = padding && new Uint8Array(size * total);
  for (let b = 0; padding && b < size; b += 1) {
    keyPadding?.set(padding.subarray(b * head, (b + 1) * head), b * total);
  }
  const positions = Int32Array.from({ length }, (_, i) => i % stride);
  return {
    sequences: {
      ...start,
      segments: [...start.segments, textSegment({ ids, length, positions }, row)],
      length: total,
      ...(keyPadding ? { keyPadding } : {}),
      visibility,
    },
    queries: Int32Array.from(
      { length: all },
      (_, text) => Math.floor(text / texts) * total + head + ((text % texts) + 1) * stride - 1,
    ),
  };
};

/** Decodes with what any model answers: scores of whole sequences. */
export const wholeDecoder = (
  model: Pick<TaskModel, 'scores'>,
  { inputs, row, queryToken, targets, temperature }: TextStart,
  { task }: DecoderOptions = {},
): TextDecoder => ({
  async next(rows: readonly TextRow[]) {
    const written = rows[0]?.tokens.length ?? 0;
    const bySample = new Map<number, TextRow[]>();
    for (const each of rows) bySample.set(each.item, [...(bySample.get(each.item) ?? []), each]);
    const samples = [...bySample.keys()];
    const groups = [...bySample.values()];
    const texts = Math.max(...groups.map((group) => group.length));
    // Samples with fewer texts than others repeat their first; nobody asks at the copy.
    const tokens = Int32Array.from(
      groups.flatMap((group) =>
        Array.from({ length: texts }, (_, k) => (group[k] ?? group[0])?.tokens ?? []).flat(),
      ),
    );
    const step = textStep(takeSequences(inputs, samples), tokens, { row, queryToken, written, texts });
    const places = groups.flatMap((group, sample) => group.map((_, k) => sample * texts + k));
    const scores = await model.scores(
      {
        inputs: step.sequences,
        queries: Int32Array.from(places, (at) => step.queries[at] as number),
        targets,
        temperature,
      },
      { task },
    );
    return logSoftmaxRows(scores, scores.length / rows.length);
  },
  [Symbol.dispose]() {},
});
