import { ConfigError, FormatError } from '@polygate/core';
import {
  attributeCount,
  attributeNames,
  attributeRow,
  attributeSchema,
  attributeTable,
  fromPublishedOrder,
  paperSchema,
  parseRow,
  rowBits,
  rowKey,
  toPublishedOrder,
  unionSignature,
} from '@polygate/attributes';
import type { Modality, SegmentAttributes, TaskSignature } from '@polygate/attributes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/**
 * The published look-up table, transcribed apart from the package: segment, row in the published code's order, row in
 * the paper's order. Bits: visual in, text in, visual out, text out, token visual, token text, then (from target,
 * causal) as published or (causal, from input) as in the paper.
 */
const published: readonly (readonly [string, string, string])[] = [
  ['image classification, input', '10011000', '10011001'],
  ['video classification, input', '10011000', '10011001'],
  ['image-text retrieval, image', '10011000', '10011001'],
  ['video-text retrieval, video', '10011000', '10011001'],
  ['image classification, class names', '10010110', '10010100'],
  ['video classification, class names', '10010110', '10010100'],
  ['image-text retrieval, text', '10010110', '10010100'],
  ['video-text retrieval, text', '10010110', '10010100'],
  ['masked language modelling, input', '01010100', '01010101'],
  ['text classification, input', '01010100', '01010101'],
  ['image captioning, image', '11011000', '11011001'],
  ['video captioning, video', '11011000', '11011001'],
  ['image captioning, words and queries', '11010101', '11010111'],
  ['video captioning, words and queries', '11010101', '11010111'],
  ['vocabulary and label words', '11010110', '11010100'],
];

/** Images against class names. */
const imageToText: TaskSignature = { inputs: ['visual'], targets: ['text'] };

describe('the published table', () => {
  it('is derived from signatures, whole, in both bit orders', () => {
    const derived = attributeTable.map(({ name, signature, segment }) => {
      const row = attributeRow(signature, segment);
      return [name, toPublishedOrder(rowBits(row)).join(''), rowKey(row)];
    });
    expect(derived.sort()).toEqual([...published].sort());
    for (const { row, signature, segment } of attributeTable)
      expect(row).toEqual(attributeRow(signature, segment));
  });

  it("has the paper's own example: any input token of image classification", () => {
    const row = attributeRow(imageToText, {
      modality: 'visual',
      causal: false,
      source: 'input',
    });
    expect(rowBits(row)).toEqual([1, 0, 0, 1, 1, 0, 0, 1]);
  });

  it('has six different rows and two constant bits', () => {
    expect(new Set(attributeTable.map(({ row }) => rowKey(row))).size).toBe(6);
    expect(new Set(attributeTable.map(({ row }) => rowBits(row)[2]))).toEqual(new Set([0]));
    expect(new Set(attributeTable.map(({ row }) => rowBits(row)[3]))).toEqual(new Set([1]));
  });
});

describe('attributeRow', () => {
  const modality = fc.constantFrom<Modality>('visual', 'text', 'audio', 'table');
  const side = fc.uniqueArray(modality, { minLength: 1 });
  const signature: fc.Arbitrary<TaskSignature> = fc.record({ inputs: side, targets: side });

  it('answers the eight questions of Table 2 for any signature and segment', () => {
    fc.assert(
      fc.property(
        signature,
        modality,
        fc.boolean(),
        fc.constantFrom('input', 'target'),
        (task, segmentModality, causal, source) => {
          const there = (source === 'input' ? task.inputs : task.targets).includes(segmentModality);
          const segment: SegmentAttributes = { modality: segmentModality, causal, source };
          if (!there) {
            expect(() => attributeRow(task, segment)).toThrow(ConfigError);
            return;
          }
          const row = attributeRow(task, segment);
          const answers = [
            task.inputs.includes('visual'),
            task.inputs.includes('text'),
            task.targets.includes('visual'),
            task.targets.includes('text'),
            segmentModality === 'visual',
            segmentModality === 'text',
            causal,
            source === 'input',
          ];
          const bits = rowBits(row);
          expect(bits.map((value) => value === 1)).toEqual(answers);
          expect(Object.isFrozen(row)).toBe(true);
          expect(attributeNames().length).toBe(bits.length);
          expect(rowKey(row).startsWith(bits.join(''))).toBe(true);
          expect(parseRow(rowKey(row))).toEqual(row);
          expect(fromPublishedOrder(toPublishedOrder(bits))).toEqual(bits);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives rows to tasks that were never seen', () => {
    // Text to image retrieval: text in the inputs, images as candidates.
    const textToImage: TaskSignature = { inputs: ['text'], targets: ['visual'] };
    expect(rowKey(attributeRow(textToImage, { modality: 'text', causal: false, source: 'input' }))).toBe(
      '01100101',
    );
    expect(rowKey(attributeRow(textToImage, { modality: 'visual', causal: false, source: 'target' }))).toBe(
      '01101000',
    );
    // Autoregressive language modelling without an image, and question answering on an image.
    const language: TaskSignature = { inputs: ['text'], targets: ['text'] };
    expect(rowKey(attributeRow(language, { modality: 'text', causal: true, source: 'input' }))).toBe(
      '01010111',
    );
    const questions: TaskSignature = { inputs: ['visual', 'text'], targets: ['text'] };
    expect(rowKey(attributeRow(questions, { modality: 'text', causal: false, source: 'input' }))).toBe(
      '11010101',
    );
    // Sound has no bit among the paper's eight; its own three follow them in the text.
    const sound: TaskSignature = { inputs: ['audio'], targets: ['text'] };
    expect(rowKey(attributeRow(sound, { modality: 'audio', causal: false, source: 'input' }))).toBe(
      '00010001+audio=101',
    );
  });

  it('refuses a segment that the task does not have, and a signature without a side', () => {
    expect(() =>
      attributeRow(imageToText, {
        modality: 'text',
        causal: false,
        source: 'input',
      }),
    ).toThrow(
      'attributeRow: expected a modality that the task has among its inputs (visual), got "text"; ' +
        'correct the segment or add the modality to the signature',
    );
    expect(() =>
      attributeRow({ inputs: ['text'], targets: [] }, { modality: 'text', causal: false, source: 'input' }),
    ).toThrow('task signature: expected at least one modality among its targets, got none');
  });
});

describe('unionSignature', () => {
  it('has every modality of every task, once', () => {
    const union = unionSignature(
      { inputs: ['text'], targets: ['text'] },
      { inputs: ['visual', 'text'], targets: ['text'] },
      { inputs: ['audio'], targets: ['visual'] },
    );
    expect(union).toEqual({ inputs: ['audio', 'text', 'visual'], targets: ['text', 'visual'] });
    const shared = attributeTable.find(({ task }) => task === 'vocabulary');
    expect(shared?.signature).toEqual({ inputs: ['text', 'visual'], targets: ['text'] });
    expect(() => unionSignature({ inputs: [], targets: ['text'] })).toThrow(
      'at least one modality among its inputs',
    );
  });
});

describe('a schema of more groups', () => {
  const schema = attributeSchema(['audio', 'table', 'visual']);

  it('answers three questions of each group, and the two others', () => {
    expect(schema.groups).toEqual(['visual', 'text', 'audio', 'table']);
    expect(attributeNames(schema)).toEqual([
      'visual in inputs',
      'text in inputs',
      'audio in inputs',
      'table in inputs',
      'visual in targets',
      'text in targets',
      'audio in targets',
      'table in targets',
      'token is visual',
      'token is text',
      'token is audio',
      'token is table',
      'causal mask',
      'from inputs',
    ]);
    expect(attributeCount(schema)).toBe(14);
    expect(attributeNames(attributeSchema([]))).toEqual(attributeNames(paperSchema));
    const task: TaskSignature = { inputs: ['audio', 'table'], targets: ['text'] };
    const bitsOf = (modality: Modality): string =>
      rowBits(attributeRow(task, { modality, causal: false, source: 'input' }), schema).join('');
    expect(bitsOf('audio')).toBe('00110100001001');
    expect(bitsOf('table')).toBe('00110100000101');
  });

  it('tells sound, tables and time series apart, as the paper would not', () => {
    const rowsOf = ['audio', 'table', 'series'].map((modality) =>
      attributeRow({ inputs: [modality], targets: ['text'] }, { modality, causal: false, source: 'input' }),
    );
    expect(new Set(rowsOf.map(rowKey)).size).toBe(3);
    const all = attributeSchema(['audio', 'table', 'series']);
    expect(new Set(rowsOf.map((row) => rowBits(row, all).join(''))).size).toBe(3);
    expect(new Set(rowsOf.map((row) => rowBits(row).join(''))).size).toBe(1);
  });

  it('keeps both orders of the last two bits', () => {
    const row = attributeRow(
      { inputs: ['audio'], targets: ['text'] },
      { modality: 'audio', causal: true, source: 'input' },
    );
    const bits = rowBits(row, schema);
    expect(bits.slice(-2)).toEqual([1, 1]);
    expect(toPublishedOrder(bits).slice(-2)).toEqual([0, 1]);
    expect(fromPublishedOrder(toPublishedOrder(bits))).toEqual(bits);
  });

  it('refuses names that no text of a row can hold', () => {
    expect(() => attributeSchema(['a+b'])).toThrow(
      'attribute schema: expected names of groups without + and =, got "a+b"; name another attribute in the modality\'s record',
    );
  });
});

describe('parseRow', () => {
  it('refuses what is no row', () => {
    for (const key of ['1001100', '100110011', '1001100x', '', '10011001+sound', '10011001+sound=000']) {
      expect(() => parseRow(key)).toThrow(FormatError);
      expect(() => parseRow(key)).toThrow(
        `attribute row: expected eight characters 0 or 1 such as "10011001", and further groups as "+sound=101", got "${key}"`,
      );
    }
  });

  it('reads rows that no signature gives, as files may hold them', () => {
    for (const key of ['00000000', '11111111', '11111111+a=111+b=010'])
      expect(rowKey(parseRow(key))).toBe(key);
  });
});
