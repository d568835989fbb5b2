import { parseRow } from '@polygate/attributes';
import * as tf from '@tensorflow/tfjs';
import { textSequences } from '@polygate/modalities';
import { beforeAll, describe, expect, it } from 'vitest';
import { attentionMask, contextTokens, HIDDEN, visibleTokens } from './sequence-tensors.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const text = (rows: number[][]) => textSequences(rows, { row: parseRow('01010101'), padding: 9 });

describe('attentionMask', () => {
  it('is absent where nothing is hidden', () => {
    expect(attentionMask(text([[1, 2]]))).toBeUndefined();
  });

  it('hides padding from every query of its own row', () => {
    const mask = attentionMask(text([[1, 2], [3]]));
    expect(mask?.shape).toEqual([2, 1, 1, 3]);
    // The prefix, then the tokens; row 1 has one token of padding.
    expect(Array.from(mask?.dataSync() ?? [])).toEqual([0, 0, 0, 0, 0, HIDDEN]);
    mask?.dispose();
  });

  it('hides what is not visible, for all rows alike', () => {
    const visibility = Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1);
    const mask = attentionMask({ size: 3, segments: [], length: 4, visibility });
    expect(mask?.shape).toEqual([1, 1, 4, 4]);
    expect(Array.from(mask?.dataSync() ?? [])).toEqual(
      Array.from(visibility, (seen) => (seen === 1 ? 0 : HIDDEN)),
    );
    mask?.dispose();
  });

  it('hides a key that either says is hidden', () => {
    const visibility = Uint8Array.of(1, 0, 1, 1);
    const mask = attentionMask({
      size: 2,
      segments: [],
      length: 2,
      visibility,
      keyPadding: Uint8Array.of(0, 0, 0, 1),
    });
    expect(mask?.shape).toEqual([2, 1, 2, 2]);
    expect(Array.from(mask?.dataSync() ?? [])).toEqual([0, HIDDEN, 0, 0, 0, HIDDEN, 0, HIDDEN]);
    mask?.dispose();
  });
});

describe('visibleTokens and contextTokens', () => {
  it('say which tokens count, and which all others may see', () => {
    // Two captions of one and two words behind one patch: prefix, patch, words, queries.
    const visibility = Uint8Array.from(
      [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 1, 0, 0, 1],
      ].flat(),
    );
    const keyPadding = Uint8Array.from([0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    const captions = { size: 2, segments: [], length: 6, visibility, keyPadding };
    const [visible, context] = [visibleTokens(captions), contextTokens(captions)];
    expect(visible?.arraySync()).toEqual([
      [1, 1, 1, 0, 1, 0],
      [1, 1, 1, 1, 1, 1],
    ]);
    expect(context?.arraySync()).toEqual([
      [1, 1, 0, 0, 0, 0],
      [1, 1, 0, 0, 0, 0],
    ]);
    tf.dispose([visible ?? [], context ?? []]);
    const whole = text([[1, 2]]);
    expect([visibleTokens(whole), contextTokens(whole)]).toEqual([undefined, undefined]);
    // Without causality the context is what counts.
    const padded = text([[1, 2], [3]]);
    expect(contextTokens(padded)).toBeUndefined();
    const counted = visibleTokens(padded);
    expect(counted?.arraySync()).toEqual([
      [1, 1, 1],
      [1, 1, 0],
    ]);
    tf.dispose(counted ?? []);
  });
});
