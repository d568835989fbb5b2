import { parseRow, rowKey } from '@polygate/attributes';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveEncoderConfig } from '../config/config.ts';
import { layOut, type SegmentKey, type TextSegment, type VisualSegment } from './sequence.ts';

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

const image: SegmentKey = { attributes: first, modality: 'visual', task: '' };
const words: SegmentKey = { attributes: second, modality: 'text', task: '' };
const byRow = { keyOf: ({ attributes }: SegmentKey) => rowKey(attributes) };

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
    expect(layOut({ segments: [visual(4), text(3), text(3)] }, config, byRow)).toEqual({
      batch: 2,
      length: 11,
      rows: [image, words],
      segments: [
        { key: image, row: 0, length: 5 },
        { key: words, row: 1, length: 3 },
        { key: words, row: 1, length: 3 },
      ],
      spans: [
        { row: 0, start: 0, length: 5 },
        { row: 1, start: 5, length: 6 },
      ],
    });
  });

  it('comes back to a row that it has met', () => {
    const { rows, spans } = layOut({ segments: [text(2), visual(3), text(1)] }, config, byRow);
    expect(rows).toEqual([words, image]);
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
      byRow,
    );
    expect(rows).toHaveLength(1);
    expect(spans).toEqual([{ row: 0, start: 0, length: 5 }]);
  });

  it('asks the condition which rows are one, and names task and modality of each', () => {
    const clip = { ...visual(2), modality: 'video' };
    const input = { segments: [visual(1), text(2), clip], task: 'reading' };
    const ofModality = layOut(input, config, { keyOf: ({ modality }) => modality });
    expect(ofModality.rows.map(({ modality, task }) => `${modality} ${task}`)).toEqual([
      'visual reading',
      'text reading',
      'video reading',
    ]);
    const ofTask = layOut(input, config, { keyOf: ({ task }) => task });
    expect(ofTask.spans).toEqual([{ row: 0, start: 0, length: 6 }]);
    expect(ofTask.segments.map(({ key }) => key.modality)).toEqual(['visual', 'text', 'video']);
    // Nobody asks: all tokens share their weights.
    expect(layOut(input, config).spans).toEqual(ofTask.spans);
  });

  it('refuses flags of another shape', () => {
    for (const name of ['visible', 'context'] as const) {
      expect(() => layOut({ segments: [text(2)], [name]: tf.zeros([2, 2]) }, config)).toThrow(
        `encode: expected ${name} of shape [2, 3] (position 0 is the prefix token), got [2, 2]`,
      );
    }
  });
});
