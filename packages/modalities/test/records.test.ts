/** What every registered modality keeps: its made-up rows have its columns, are read, pass its check and are embedded. */
import { parseRow } from '@polygate/attributes';
import { createRandom, ShapeError } from '@polygate/core';
import {
  imageSequences,
  joinSegments,
  modalityNamed,
  modalityNames,
  registeredModalities,
  takeSequences,
  visual,
  type BatchColumns,
  type Modality,
} from '@polygate/modalities';
import { allocateParameters } from '@polygate/nn';
import {
  buildBatch,
  defineSchema,
  fixedListValues,
  hasColumn,
  listRow,
  type RecordBatch,
} from '@polygate/stream';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const columnsOf = (batch: RecordBatch): BatchColumns => ({
  size: batch.numRows,
  has: (name) => hasColumn(batch, name),
  fixed: (name) => fixedListValues(batch, name),
  list: (name, row) => listRow(batch, name, row),
});

const row = parseRow('10011001');
const image = { height: 4, width: 6, patch: 2 };

const cases: readonly (readonly [name: string, input: object, settings: object])[] = [
  ['visual', image, { patch: { size: 2, channels: 3 } }],
  ['visual', { ...image, frames: 3 }, { patch: { size: 2, channels: 3 }, maxFrames: 4 }],
  ['text', { vocabularySize: 20, endToken: 19, maximumTokens: 7 }, { vocabularySize: 20, maxPositions: 7 }],
];

const readSynthetic = (modality: Modality, input: object, count: number) => {
  const schema = defineSchema(modality.columns(input));
  const batch = buildBatch(schema, modality.synthetic(createRandom(3), input, count));
  return modality.read(columnsOf(batch), input, { row });
};

describe('the records of this package', () => {
  it('are registered in the order in which routers number them', () => {
    expect(modalityNames()).toEqual(['visual', 'text']);
    expect(registeredModalities().map(({ attribute }) => attribute)).toEqual(['visual', 'text']);
    expect(() => modalityNamed('vision')).toThrow('unknown modality "vision"');
  });

  it.each(cases)('%s of %o reads what it makes up, and embeds it', (name, input, given) => {
    const modality = modalityNamed(name);
    const rows = readSynthetic(modality, input, 3);
    const { segment } = rows;
    expect(segment.modality).toBe(name);
    expect(segment.row).toBe(row);
    expect(segment.length).toBeLessThanOrEqual(modality.tokens(input));
    const width = 8;
    const settings = modality.resolve(given, width);
    expect(modality.resolve(settings, width)).toEqual(settings);
    modality.check(segment, { settings, size: 3, label: 'here' });
    expect(() => modality.check(segment, { settings, size: 2, label: 'here' })).toThrow(ShapeError);
    const parameters = allocateParameters(modality.parameters(settings, width), createRandom(1));
    const kept: tf.Tensor[] = [];
    const context = {
      settings,
      width,
      size: 3,
      prefix: false,
      parameter: (parameter: string) => parameters.get(parameter),
      constant: (_: string, make: () => tf.Tensor) => {
        const made = tf.keep(make());
        kept.push(made);
        return made;
      },
    };
    const twice = tf.tidy(() => modality.embed([segment, segment], context).arraySync());
    expect(twice.map((tokens) => tokens.length)).toEqual(Array(3).fill(2 * segment.length));
    // Each segment counts its own positions, and rows do not mix.
    expect(twice[1]?.slice(segment.length)).toEqual(twice[1]?.slice(0, segment.length));
    const [alone] = takeSequences(joinSegments(3, [rows]), [1]).segments;
    if (!alone) throw new Error('expected a segment');
    const one = tf.tidy(() => modality.embed([alone], { ...context, size: 1 }).arraySync());
    expect(one[0]).toEqual(twice[1]?.slice(0, segment.length));
    tf.dispose(kept);
    parameters.dispose();
  });
});

describe('clips', () => {
  const input = { ...image, frames: 2 };

  it('lie frame after frame, each cut as an image is', () => {
    const schema = defineSchema(visual.columns(input));
    const pixels = Uint8Array.from({ length: 2 * 72 }, (_, i) => i);
    const clip = visual.read(columnsOf(buildBatch(schema, { image: pixels })), input, { row }).segment;
    expect(clip.layout.grid).toEqual({ rows: 2, columns: 3, frames: 2 });
    expect(clip.length).toBe(12);
    const still = defineSchema(visual.columns(image));
    const second = buildBatch(still, { image: pixels.slice(72) });
    const frame = visual.read(columnsOf(second), image, { row }).segment;
    expect(clip.arrays.patches.slice(6 * 12)).toEqual(frame.arrays.patches);
  });

  it('are changed alike in all their frames', () => {
    const schema = defineSchema(visual.columns(input));
    const frame = Uint8Array.from({ length: 72 }, (_, i) => 3 * i);
    const pixels = new Uint8Array(144);
    pixels.set(frame);
    pixels.set(frame, 72);
    const columns = columnsOf(buildBatch(schema, { image: pixels }));
    const changed = visual.read(
      columns,
      { ...input, augmentation: { shift: 0.5, tone: 0.5 } },
      {
        row,
        rowRandom: (index) => createRandom(5).fork(index),
      },
    ).segment.arrays.patches;
    expect(changed.slice(0, 72)).toEqual(changed.slice(72));
    expect(changed).not.toEqual(visual.read(columns, input, { row }).segment.arrays.patches);
  });

  it('take their place in time from what the encoder has, drawn in training', () => {
    const settings = visual.resolve({ patch: { size: 2, channels: 3 }, maxFrames: 5 }, 8);
    const images = { size: 1, patches: new Float32Array(144), patchCount: 12, patchWidth: 12 };
    const [segment] = imageSequences({ ...images, grid: { rows: 2, columns: 3, frames: 2 } }, row).segments;
    const draw = modalityNamed('visual').draw;
    if (!segment || !draw) throw new Error('expected a segment and its draw');
    const starts = Array.from(
      { length: 60 },
      (_, seed) => draw(segment, settings, createRandom(seed)).layout,
    );
    expect(
      [...new Set(starts.map((layout) => (layout as { startFrame: number }).startFrame))].sort(),
    ).toEqual([0, 1, 2, 3]);
    const given = { ...segment, layout: { ...segment.layout, startFrame: 1 } };
    expect(draw(given, settings, createRandom(1))).toBe(given);
  });
});
