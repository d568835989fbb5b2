import * as tf from '@tensorflow/tfjs';
import { captionLayout, captionVisibility, segmentRows, textSequences } from '@polygate/tasks';
import { beforeAll, describe, expect, it } from 'vitest';
import { attentionMask, checkIds, HIDDEN, sequenceInput } from './sequence-tensors.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const text = (rows: number[][]) => textSequences(rows, { row: segmentRows.maskedText, padding: 9 });

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
    const visibility = captionVisibility(1, 1);
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

describe('checkIds', () => {
  it('names the first token of another vocabulary', () => {
    const batch = text([[1, 2], [3]]);
    checkIds(batch, 10);
    expect(() => checkIds(batch, 9)).toThrow(
      'tokens: expected ids in [0, 9), got 9 at token 1 of sequence 1; were they made with the tokenizer of this model?',
    );
    expect(() => checkIds(text([[-1]]), 10)).toThrow('got -1 at token 0 of sequence 0');
  });
});

describe('sequenceInput', () => {
  it('says which tokens count, and which all others may see', () => {
    // Two captions of one and two words behind one patch: prefix, patch, words, queries.
    const images = {
      size: 2,
      patches: new Float32Array(2),
      patchCount: 1,
      patchWidth: 1,
      grid: { rows: 1, columns: 1, frames: 1 },
    };
    const { sequences } = captionLayout(images, [Int32Array.of(4), Int32Array.of(5, 6)], {
      imageRow: segmentRows.captionImage,
      textRow: segmentRows.captionText,
      queryToken: 8,
      padding: 9,
    });
    const { visible, context } = sequenceInput(sequences);
    expect(visible?.arraySync()).toEqual([
      [1, 1, 1, 0, 1, 0],
      [1, 1, 1, 1, 1, 1],
    ]);
    expect(context?.arraySync()).toEqual([
      [1, 1, 0, 0, 0, 0],
      [1, 1, 0, 0, 0, 0],
    ]);
    tf.dispose([visible ?? [], context ?? []]);
    const whole = sequenceInput(text([[1, 2]]));
    expect([whole.visible, whole.context]).toEqual([undefined, undefined]);
    // Without causality the context is what counts.
    const padded = sequenceInput(text([[1, 2], [3]]));
    expect(padded.context).toBeUndefined();
    expect(padded.visible?.arraySync()).toEqual([
      [1, 1, 1],
      [1, 1, 0],
    ]);
  });

  it('turns ids, positions and rows into tensors and keeps their order', () => {
    const batch = text([
      [1, 2],
      [3, 4],
    ]);
    const [segment] = sequenceInput({
      ...batch,
      segments: batch.segments.map((each) => ({ ...each, positions: Int32Array.of(5, 6) })),
    }).segments;
    if (segment?.kind !== 'text') throw new Error('expected text');
    expect(segment.ids.arraySync()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(segment.ids.dtype).toBe('int32');
    expect(Array.from(segment.positions?.dataSync() ?? [])).toEqual([5, 6]);
    expect(segment.row).toBe(segmentRows.maskedText);
    tf.dispose([segment.ids, segment.positions ?? []]);
  });
});
