import { parseRow } from '@polygate/attributes';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveEncoderConfig } from './config.ts';
import { layOut, type TextSegment, type VisualSegment } from './sequence.ts';

const config = resolveEncoderConfig({
  layers: 1,
  width: 4,
  heads: 1,
  hidden: 4,
  vocabularySize: 9,
  patch: { size: 1, channels: 1 },
});
const first = parseRow('11011001');
const second = parseRow('11010111');

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const text = (length: number, row = second): TextSegment => ({
  kind: 'text',
  ids: tf.zeros([2, length], 'int32'),
  row,
});
const visual = (patches: number, row = first): VisualSegment => ({
  kind: 'visual',
  patches: tf.zeros([2, patches, 1]),
  grid: { rows: 1, columns: patches, frames: 1 },
  row,
});

describe('layOut', () => {
  it('gives the prefix to the first segment and joins neighbours of equal row', () => {
    // Prefix 0, patches 1-4, words 5-7, queries 8-10 with the words' row.
    expect(layOut({ segments: [visual(4), text(3), text(3)] }, config)).toEqual({
      batch: 2,
      length: 11,
      rows: [first, second],
      spans: [
        { row: 0, start: 0, length: 5 },
        { row: 1, start: 5, length: 6 },
      ],
    });
  });

  it('comes back to a row that it has met', () => {
    const { rows, spans } = layOut({ segments: [text(2), visual(3), text(1)] }, config);
    expect(rows).toEqual([second, first]);
    expect(spans).toEqual([
      { row: 0, start: 0, length: 3 },
      { row: 1, start: 3, length: 3 },
      { row: 0, start: 6, length: 1 },
    ]);
  });

  it('knows rows by their bits, not by their identity', () => {
    const { rows, spans } = layOut(
      { segments: [text(2, parseRow('01010101')), text(2, parseRow('01010101'))] },
      config,
    );
    expect(rows).toHaveLength(1);
    expect(spans).toEqual([{ row: 0, start: 0, length: 5 }]);
  });
});
