import { parseRow, rowKey } from '@polygate/attributes';
import {
  joinSegments,
  textSegment,
  visualSegment,
  type Segment,
  type SequenceBatch,
} from '@polygate/modalities';
import { describe, expect, it } from 'vitest';
import { resolveEncoderConfig } from '../config/config.ts';
import { layOut, type SegmentKey } from './layout.ts';
import { rowsOf } from './rows.ts';

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

const image: SegmentKey = { attributes: first, modality: 'visual', task: '' };
const words: SegmentKey = { attributes: second, modality: 'text', task: '' };
const byRow = ({ attributes }: SegmentKey): string => rowKey(attributes);
/** A layout with the rows that an identity tells apart. */
const withRows = (batch: SequenceBatch, identityOf: (key: SegmentKey) => string) => {
  const layout = layOut(batch, config);
  return { ...layout, ...rowsOf(layout, identityOf) };
};

const text = (length: number, row = second): Segment =>
  textSegment({ ids: new Int32Array(2 * length), length }, row);
const visual = (patches: number, row = first): Segment =>
  visualSegment(
    {
      size: 2,
      patches: new Float32Array(2 * patches),
      patchCount: patches,
      patchWidth: 1,
      grid: { rows: 1, columns: patches, frames: 1 },
    },
    row,
  );
const batchOf = (...segments: readonly Segment[]): SequenceBatch =>
  joinSegments(
    2,
    segments.map((segment) => ({ segment })),
  );

describe('layOut', () => {
  it('gives the prefix to the first segment and joins neighbours of equal row', () => {
    // Prefix 0, patches 1-4, words 5-7, queries 8-10 with the words' row.
    expect(withRows(batchOf(visual(4), text(3), text(3)), byRow)).toEqual({
      batch: 2,
      length: 11,
      rows: [image, words],
      segments: [
        { key: image, length: 5 },
        { key: words, length: 3 },
        { key: words, length: 3 },
      ],
      bySegment: [0, 1, 1],
      spans: [
        { row: 0, start: 0, length: 5 },
        { row: 1, start: 5, length: 6 },
      ],
    });
  });

  it('comes back to a row that it has met', () => {
    const { rows, spans } = withRows(batchOf(text(2), visual(3), text(1)), byRow);
    expect(rows).toEqual([words, image]);
    expect(spans).toEqual([
      { row: 0, start: 0, length: 3 },
      { row: 1, start: 3, length: 3 },
      { row: 0, start: 6, length: 1 },
    ]);
  });

  it('knows rows by their bits, not by their identity', () => {
    const { rows, spans } = withRows(
      batchOf(text(2, parseRow('01010101')), text(2, parseRow('01010101'))),
      byRow,
    );
    expect(rows).toHaveLength(1);
    expect(spans).toEqual([{ row: 0, start: 0, length: 5 }]);
  });

  it('asks the condition which rows are one, and names task and modality of each', () => {
    const input = { ...batchOf(visual(1), text(2), visual(2)), task: 'reading' };
    const ofModality = withRows(input, ({ modality }) => modality);
    expect(ofModality.rows.map(({ modality, task }) => `${modality} ${task}`)).toEqual([
      'visual reading',
      'text reading',
    ]);
    const ofTask = withRows(input, ({ task }) => task);
    expect(ofTask.spans).toEqual([{ row: 0, start: 0, length: 6 }]);
    expect(ofTask.segments.map(({ key }) => key.modality)).toEqual(['visual', 'text', 'visual']);
  });
});
