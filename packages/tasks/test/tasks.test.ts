/** The task families over record batches, through the public API. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import {
  buildBatch,
  collectSink,
  defineSchema,
  datasetMetadata,
  fixedListValues,
  pipe,
} from '@polygate/stream';
import {
  createImageCaptioning,
  createImageClassification,
  createImageTextRetrieval,
  createMaskedLanguageModelling,
  imageInputOf,
  imageToText,
  patchStage,
  tagStage,
} from '@polygate/tasks';
import { isTextSegment, isVisualSegment } from '@polygate/modalities';
import { describe, expect, it } from 'vitest';

/** One token per letter a..z, then <|spe|> = 26 and <|endoftext|> = 27. */
const tokenizer = {
  size: 28,
  specials: { spe: 26, endoftext: 27 },
  encode: (text: string) => Int32Array.from([...text].map((letter) => letter.charCodeAt(0) - 97)),
};
const image = { height: 4, width: 4, patch: 2 };
const pixels = (count: number) => Uint8Array.from({ length: count * 48 }, (_, i) => (i * 7) % 256);

const labelled = buildBatch(
  defineSchema(
    { id: 'utf8', image: { fixedList: 'uint8', size: 48 }, label: 'int32' },
    datasetMetadata({ kind: 'labelled-image', image: { height: 4, width: 4, channels: 3 } }),
  ),
  { id: ['a', 'b'], image: pixels(2), label: [1, 0] },
);

const captioned = (captions: number[][][]) =>
  buildBatch(
    defineSchema({
      id: 'utf8',
      image: { fixedList: 'uint8', size: 48 },
      captions: { list: { list: 'int32' } },
    }),
    { id: captions.map((_, i) => `row-${i}`), image: pixels(captions.length), captions },
  );

const texts = (tokens: number[][], words: number[][]) =>
  buildBatch(defineSchema({ id: 'utf8', tokens: { list: 'int32' }, words: { list: 'int32' } }), {
    id: tokens.map((_, i) => `text-${i}`),
    tokens,
    words,
  });

const evaluate = () => ({ random: createRandom(1), training: false });
const train = (seed: number) => ({ random: createRandom(seed), training: true });

describe('image classification', () => {
  const task = createImageClassification({ name: 'pets', classes: ['cat', 'dog', 'ox'], tokenizer, image });

  it('compares prefixes with the whole set of bare names', () => {
    const batch = task.collate(labelled, evaluate());
    expect(batch).toMatchObject({
      queries: 'prefix',
      loss: 'cross-entropy',
      temperature: 'image-classification',
    });
    expect(Array.from(batch.labels)).toEqual([1, 0]);
    expect(batch.targets.whole).toBe(true);
    const names = batch.targets.sequences.segments[0];
    expect(isTextSegment(names) && Array.from(names.arrays.ids)).toEqual([
      2, 0, 19, 27, 3, 14, 6, 27, 14, 23, 27, 27,
    ]);
    expect(batch.inputs.segments[0]?.row).toEqual(parseRow('10011001'));
    expect(names?.row).toEqual(parseRow('10010100'));
  });

  it('normalises pixels by the statistics of ImageNet and cuts them into patches', () => {
    const batch = task.collate(labelled, evaluate());
    const visual = batch.inputs.segments[0];
    if (!isVisualSegment(visual)) throw new Error('expected a visual segment');
    expect(visual.layout.grid).toEqual({ rows: 2, columns: 2, frames: 1 });
    // The second patch of the first image starts at pixel (0, 2): bytes 6, 7, 8 = 42, 49, 56.
    expect(visual.arrays.patches[12]).toBeCloseTo((42 / 255 - 0.485) / 0.229, 5);
    expect(visual.arrays.patches[13]).toBeCloseTo((49 / 255 - 0.456) / 0.224, 5);
    expect(visual.arrays.patches[14]).toBeCloseTo((56 / 255 - 0.406) / 0.225, 5);
  });

  it('smooths labels and changes images in training only, by the stream alone', () => {
    const changing = createImageClassification({
      name: 'pets',
      classes: ['cat', 'dog'],
      tokenizer,
      image,
      augmentation: { shift: 0.5, tone: 0.5 },
    });
    const patches = (options: { random: ReturnType<typeof createRandom>; training: boolean }) => {
      const visual = changing.collate(labelled, options).inputs.segments[0];
      return isVisualSegment(visual) ? Array.from(visual.arrays.patches) : [];
    };
    expect(patches(train(1))).toEqual(patches(train(1)));
    expect(patches(train(1))).not.toEqual(patches(train(2)));
    expect(patches(evaluate())).not.toEqual(patches(train(1)));
    expect(changing.collate(labelled, train(1)).labelSmoothing).toBe(0.1);
    expect(changing.collate(labelled, evaluate()).labelSmoothing).toBe(0);
  });

  it('has two labels of rows that were mixed, in training', () => {
    const mixing = createImageClassification({
      name: 'pets',
      classes: ['cat', 'dog'],
      tokenizer,
      image,
      augmentation: [{ kind: 'mix', cutmix: 0 }],
    });
    const plain = task.collate(labelled, evaluate());
    const { labels, mixed, loss, inputs } = mixing.collate(labelled, train(1));
    expect(loss).toBe('mixed-cross-entropy');
    expect(labels).toEqual(plain.labels);
    expect([...(mixed?.labels ?? [])]).toEqual([labels[1], labels[0], ...labels.subarray(2)]);
    const [share = NaN] = mixed?.shares ?? [];
    const [a, b] = [inputs, plain.inputs].map(
      (sequences) => sequences.segments.find(isVisualSegment)?.arrays.patches ?? [],
    );
    const width = (b?.length ?? 0) / plain.inputs.size;
    // Levels are whole: half a one is 0.5 / 255 / 0.224.
    expect(a?.[0]).toBeCloseTo(share * (b?.[0] ?? 0) + (1 - share) * (b?.[width] ?? 0), 1);
    expect(mixing.collate(labelled, evaluate())).toMatchObject({ loss: 'cross-entropy' });
    expect(mixing.collate(labelled, evaluate()).mixed).toBeUndefined();
  });

  it('names labels and classes that can not be', () => {
    const one = createImageClassification({ name: 'pets', classes: ['cat'], tokenizer, image });
    expect(() => one.collate(labelled, evaluate())).toThrow(
      'task "pets": expected labels from 0 to 0, got 1; the data was prepared with other classes',
    );
    expect(() =>
      createImageClassification({ name: 'pets', classes: ['cat', 'cat'], tokenizer, image }),
    ).toThrow('expected class names that differ, got "cat" twice');
    expect(() =>
      createImageClassification({ name: 'p', classes: ['cat'], tokenizer, image: { ...image, patch: 3 } }),
    ).toThrow('expected height and width to be multiples of the patch, got 4 x 4 with patch 3');
    const wide = createImageClassification({
      name: 'p',
      classes: ['cat', 'dog'],
      tokenizer,
      image: { height: 8, width: 8, patch: 2 },
    });
    expect(() => wide.collate(labelled, evaluate())).toThrow(
      'expected 192 values a row (8 x 8 x 3) in column "image", got 48',
    );
  });
});

describe('masked language modelling', () => {
  it('asks at masked positions behind the prefix, never at padding or end tokens', () => {
    const task = createMaskedLanguageModelling({ name: 'text', tokenizer, rate: 1 });
    const batch = task.collate(
      texts(
        [
          [0, 1, 27, 2, 27],
          [3, 27],
        ],
        [
          [0, 0, 1, 2, 3],
          [0, 1],
        ],
      ),
      evaluate(),
    );
    // T = 6; row 0 asks at positions 0, 1, 3 behind its prefix, row 1 at 0.
    expect(Array.from(batch.queries as Int32Array)).toEqual([1, 2, 4, 7]);
    expect(Array.from(batch.labels)).toEqual([0, 1, 2, 3]);
    expect(batch.targets).toMatchObject({ key: 'vocabulary', whole: true });
    expect(Array.from(batch.inputs.keyPadding ?? []).slice(6)).toEqual([0, 0, 0, 1, 1, 1]);
    expect(batch.inputs.segments[0]?.row).toEqual(parseRow('01010101'));
  });

  it('samples candidates in training and keeps all of them in evaluation', () => {
    const task = createMaskedLanguageModelling({
      name: 'text',
      tokenizer,
      candidates: { kind: 'sampled', negatives: 3 },
    });
    const rows = texts([[0, 1, 2, 3, 27]], [[0, 1, 2, 3, 4]]);
    const trained = task.collate(rows, train(2));
    const asked = Array.from(trained.labels, (label) => trained.targets.ids[label]);
    const visible = task.collate(rows, { random: createRandom(2), training: false });
    expect(asked).toEqual(Array.from(visible.labels)); // the same masking, whatever the candidates
    expect(trained.targets.ids.length).toBeLessThanOrEqual(asked.length + 3);
    expect(trained.targets.logQ?.length).toBe(trained.targets.ids.length);
    expect(visible.targets.ids.length).toBe(28);
  });

  it('refuses rows without a word', () => {
    const task = createMaskedLanguageModelling({ name: 'text', tokenizer });
    expect(() => task.collate(texts([[27]], [[0]]), evaluate())).toThrow(
      'task "text": expected texts with one word or more, got 1 rows of end tokens alone',
    );
  });
});

describe('image captioning', () => {
  const task = createImageCaptioning({ name: 'captions', tokenizer, image, maximumTokens: 3 });

  it('takes the first caption in evaluation and any in training', () => {
    const rows = captioned([
      [
        [1, 2],
        [3, 4],
      ],
    ]);
    const first = (seed: number) => {
      const { labels, targets } = task.collate(rows, train(seed));
      return targets.ids[labels[0] ?? 0];
    };
    const drawn = new Set(Array.from({ length: 20 }, (_, seed) => first(seed)));
    expect([...drawn].sort()).toEqual([1, 3]);
    expect(Array.from(task.collate(rows, evaluate()).labels)).toEqual([1, 2, 27]);
  });

  it('cuts a long caption and keeps its end', () => {
    expect(Array.from(task.collate(captioned([[[1, 2, 3, 4, 5]]]), evaluate()).labels)).toEqual([1, 2, 27]);
  });

  it('names the sample that has no caption', () => {
    expect(() => task.collate(captioned([[[1]], [[]]]), evaluate())).toThrow(
      'captions: expected one caption or more that is not empty for sample "row-1", got none; quarantine it when preparing',
    );
  });
});

describe('image-text retrieval', () => {
  it('pairs each image with its caption and marks rows that share one', () => {
    const task = createImageTextRetrieval({ name: 'pairs', tokenizer, image });
    const rows = captioned([[[1, 2]], [[3]], [[1, 2], [9]], [[9], [4]]]);
    const batch = task.collate(rows, evaluate());
    expect(batch.loss).toBe('contrastive');
    expect(Array.from(batch.labels)).toEqual([0, 1, 2, 3]);
    // Rows 0 and 2 have the caption [1 2]. Row 3 shows [9], which is another caption of row 2.
    expect(Array.from(batch.same ?? [])).toEqual([
      ...[0, 0, 1, 0],
      ...[0, 0, 0, 0],
      ...[1, 0, 0, 1],
      ...[0, 0, 1, 0],
    ]);
  });
});

describe('stages', () => {
  const source = {
    schema: labelled.schema,
    async *batches() {
      yield labelled;
    },
  };

  it('patches and tags a stream, and tasks take the patches as they are', async () => {
    const segment = { modality: 'visual', causal: false, source: 'input' } as const;
    const batches = await pipe(
      source,
      patchStage(imageInputOf(labelled.schema, 2)),
      tagStage({ signature: imageToText, segment }),
      collectSink(),
    );
    const batch = batches[0];
    if (!batch) throw new Error('expected a batch');
    expect(Array.from(fixedListValues(batch, 'attributes'))).toEqual([
      ...[1, 0, 0, 1, 1, 0, 0, 1],
      ...[1, 0, 0, 1, 1, 0, 0, 1],
    ]);
    const task = createImageClassification({ name: 'pets', classes: ['cat', 'dog'], tokenizer, image });
    expect(task.collate(batch, evaluate()).inputs).toEqual(task.collate(labelled, evaluate()).inputs);
  });

  it('is refused by a pipe when there are no pixels of that size', () => {
    expect(() => pipe(source, patchStage({ height: 8, width: 8, patch: 4 }))).toThrow(
      'stage "patch" needs column "image" as fixedList<uint8, 192>, got fixedList<uint8, 48>',
    );
  });
});
