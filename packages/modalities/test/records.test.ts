/** What every registered modality keeps: its made-up rows have its columns, are read, pass its check and are embedded. */
import { parseRow } from '@polygate/attributes';
import { createBatchRandom, createRandom, ShapeError, type Random } from '@polygate/core';
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
  type VisualSegment,
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

/** An input of vectors, and the settings of an encoder that embeds it. */
const vectors = (modality: string, width: number, stored: object, patch: object = {}) =>
  [
    modality,
    { name: 'input', stored: { modality, form: 'values', ...stored }, ...patch },
    { inputs: [{ name: 'input', width }] },
  ] as const;
const columns = [
  { name: 'age', kind: 'number' },
  { name: 'site', kind: 'category', values: ['a', 'b', 'c'] },
];

const cases: readonly (readonly [name: string, input: object, settings: object])[] = [
  ['visual', image, { patch: { size: 2, channels: 3 } }],
  ['visual', { ...image, frames: 3 }, { patch: { size: 2, channels: 3 }, maxFrames: 4 }],
  vectors('time-series', 8, { shape: [5, 2], gaps: true }, { patch: [2] }),
  vectors('force', 6, { shape: [null, 6], longest: 3 }),
  vectors('proprioception', 14, { shape: [4, 7] }, { patch: [2] }),
  vectors('control', 3, { shape: [4, 3] }),
  vectors('set', 5, { shape: [null, 5], longest: 4 }),
  // A number's block of 3, and a category's of 3 + 1.
  vectors('table', 7, { shape: [2], columns }),
  vectors('audio', 6, { shape: [null, 4], longest: 5 }, { patch: [3, 2] }),
  vectors('depth', 8, { shape: [1, 4, 6], gaps: true }, { patch: [2, 2] }),
  ['text', { vocabularySize: 20, endToken: 19, maximumTokens: 7 }, { vocabularySize: 20, maxPositions: 7 }],
];

const readSynthetic = (modality: Modality, input: object, count: number) => {
  const schema = defineSchema(modality.columns(input));
  const batch = buildBatch(schema, modality.synthetic(createRandom(3), input, count));
  return modality.read(columnsOf(batch), input, { row });
};

describe('the records of this package', () => {
  it('are registered in the order in which routers number them', () => {
    expect(modalityNames()).toEqual([
      'visual',
      'text',
      'audio',
      'time-series',
      'table',
      'set',
      'force',
      'proprioception',
      'control',
      'depth',
    ]);
    expect(registeredModalities().map(({ attribute }) => attribute)).toEqual(modalityNames());
    expect(() => modalityNamed('vision')).toThrow('unknown modality "vision"');
  });

  it.each(cases)('%s of %o reads what it makes up, and embeds it', (name, input, given) => {
    const modality = modalityNamed(name);
    const rows = readSynthetic(modality, input, 3);
    const { segment } = rows;
    expect(segment.modality).toBe(name);
    expect(segment.row).toBe(row);
    expect(segment.length).toBeLessThanOrEqual(modality.tokens(input));
    const raw = modality.rawTokens?.(segment);
    const { width: each, axes } = modality.rawShape?.(input) ?? { width: 0, axes: 0 };
    expect(raw).toMatchObject({ width: each, axes });
    expect(raw?.values.length).toBe(3 * segment.length * each);
    expect(raw?.coordinates.length).toBe(segment.length * axes);
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

  const settings = visual.resolve({ patch: { size: 2, channels: 3 }, maxFrames: 5 }, 8);
  /** Clips of two frames, or images. */
  const segmentOf = (size: number, frames: number): VisualSegment => {
    const patchCount = 6 * frames;
    const patches = Float32Array.from({ length: size * patchCount * 12 }, (_, i) => Math.sin(i));
    const grid = { rows: 2, columns: 3, frames };
    const [segment] = imageSequences({ size, patches, patchCount, patchWidth: 12, grid }, row).segments;
    return segment as VisualSegment;
  };
  const draw = modalityNamed('visual').draw;
  if (!draw) throw new Error('expected visual segments to be drawn');
  const drawn = (segment: VisualSegment, random: Random): VisualSegment =>
    draw(segment, settings, random) as VisualSegment;

  it('take their place in time from what the encoder has, drawn in training', () => {
    const images = Array.from({ length: 60 }, (_, seed) => drawn(segmentOf(2, 1), createRandom(seed)));
    // One position for all images of a batch: of five, each.
    expect([...new Set(images.flatMap(({ layout }) => [...(layout.drawnStarts?.() ?? [])]))].sort()).toEqual([
      0, 1, 2, 3, 4,
    ]);
    expect(images.every(({ layout }) => layout.drawnStarts?.().length === 1)).toBe(true);
    const clips = Array.from({ length: 60 }, (_, seed) => drawn(segmentOf(2, 2), createRandom(seed)));
    const starts = clips.flatMap(({ layout }) => [...(layout.drawnStarts?.() ?? [])]);
    expect([...new Set(starts)].sort()).toEqual([0, 1, 2, 3]);
    expect(starts.some((start, at) => at % 2 === 0 && start !== starts[at + 1])).toBe(true);
    const segment = segmentOf(1, 2);
    const given = { ...segment, layout: { ...segment.layout, startFrame: 1 } };
    expect(drawn(given, createRandom(1))).toBe(given);
  });

  it('draw the first frame of each clip by its place in the global batch', () => {
    const batch = (first: number, step = 3) =>
      createBatchRandom({ samples: createRandom(1).fork('task'), step: createRandom(2).fork(step), first });
    const startsOf = (size: number, random: Random) => [
      ...(drawn(segmentOf(size, 2), random).layout.drawnStarts?.() ?? []),
    ];
    const whole = startsOf(32, batch(64));
    expect([...startsOf(16, batch(64)), ...startsOf(16, batch(80, 4))]).toEqual(whole);
    expect(startsOf(32, batch(96))).not.toEqual(whole);
  });

  it('embed each clip at the positions of its own start, and send them the gradient', () => {
    const parameters = allocateParameters(visual.parameters(settings, 8), createRandom(3));
    const context = (size: number) => ({
      settings,
      width: 8,
      size,
      prefix: false,
      parameter: (name: string) => parameters.get(name),
      constant: (_: string, make: () => tf.Tensor) => make(),
    });
    const segment = segmentOf(3, 2);
    const startFrames = Int32Array.of(2, 0, 3);
    const together = visual.embed([{ ...segment, arrays: { ...segment.arrays, startFrames } }], context(3));
    const each = Array.from(startFrames, (startFrame, at) => {
      const patches = segment.arrays.patches.slice(at * 144, (at + 1) * 144);
      return visual.embed(
        [{ ...segment, arrays: { patches }, layout: { ...segment.layout, startFrame } }],
        context(1),
      );
    });
    expect(together.dataSync()).toEqual(tf.concat(each, 0).dataSync());
    // d(sum of a frame's 6 patches) / d(table row): 6 for each clip that shows it; frames 2 3, 0 1, 3 4 are shown.
    const sum = (table: tf.Tensor): tf.Scalar =>
      tf.sum(
        visual.embed([{ ...segment, arrays: { ...segment.arrays, startFrames } }], {
          ...context(3),
          parameter: (name) => (name === 'embedding.frame' ? table : parameters.get(name)),
        }),
      );
    const gradient = Array.from(tf.grad(sum)(parameters.get('embedding.frame')).dataSync());
    expect([0, 1, 2, 3, 4].map((at) => gradient[at * 8])).toEqual([6, 6, 6, 12, 6]);
  });

  it('refuse starts that are not one for each clip, or lie outside', () => {
    const segment = segmentOf(2, 2);
    const check = (startFrames: Int32Array) => () =>
      visual.check(
        { ...segment, arrays: { ...segment.arrays, startFrames } },
        { settings, size: 2, label: 'x' },
      );
    expect(check(Int32Array.of(1))).toThrow('x: 2 first frames (startFrames), got 1');
    expect(check(Int32Array.of(0, 4))).toThrow(
      'x: frames within the 5 temporal positions, got 2 from position 4; use fewer frames, or an earlier startFrame',
    );
    expect(check(Int32Array.of(0, 3))).not.toThrow();
  });
});
