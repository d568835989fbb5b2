/**
 * The look-up table of the paper's tasks as it was published, in the paper's bit order: the literal rows that
 * {@link attributeRow} must derive. Only six of them differ.
 */
import { parseRow } from './attribute-row.ts';
import type { AttributeRow, SegmentAttributes } from './attribute-row.ts';
import { unionSignature } from './task-signature.ts';
import type { TaskSignature } from './task-signature.ts';

export interface AttributeTableEntry {
  /** The paper's task, or the candidate set that some of its tasks share. */
  readonly task: string;
  /** What the segment is, in words. */
  readonly name: string;
  readonly signature: TaskSignature;
  readonly segment: SegmentAttributes;
  readonly row: AttributeRow;
}

const imageToText: TaskSignature = { inputs: ['visual'], targets: ['text'] };
const textToText: TaskSignature = { inputs: ['text'], targets: ['text'] };
const captioning: TaskSignature = { inputs: ['visual', 'text'], targets: ['text'] };

const signatures = {
  'image classification': imageToText,
  'video classification': imageToText,
  'image-text retrieval': imageToText,
  'video-text retrieval': imageToText,
  'masked language modelling': textToText,
  'text classification': textToText,
  'image captioning': captioning,
  'video captioning': captioning,
  vocabulary: unionSignature(textToText, captioning),
} as const satisfies Record<string, TaskSignature>;

const segments = {
  image: { modality: 'visual', causal: false, source: 'input' },
  text: { modality: 'text', causal: false, source: 'input' },
  words: { modality: 'text', causal: true, source: 'input' },
  candidate: { modality: 'text', causal: false, source: 'target' },
} as const satisfies Record<string, SegmentAttributes>;

const entry = (
  task: keyof typeof signatures,
  segment: keyof typeof segments,
  described: readonly [name: string, key: string],
): AttributeTableEntry =>
  Object.freeze({
    task,
    name: described[0],
    signature: Object.freeze(signatures[task]),
    segment: Object.freeze(segments[segment]),
    row: parseRow(described[1]),
  });

/** All segments of the paper's tasks. */
export const attributeTable: readonly AttributeTableEntry[] = Object.freeze([
  entry('image classification', 'image', ['image classification, input', '10011001']),
  entry('image classification', 'candidate', ['image classification, class names', '10010100']),
  entry('video classification', 'image', ['video classification, input', '10011001']),
  entry('video classification', 'candidate', ['video classification, class names', '10010100']),
  entry('image-text retrieval', 'image', ['image-text retrieval, image', '10011001']),
  entry('image-text retrieval', 'candidate', ['image-text retrieval, text', '10010100']),
  entry('video-text retrieval', 'image', ['video-text retrieval, video', '10011001']),
  entry('video-text retrieval', 'candidate', ['video-text retrieval, text', '10010100']),
  entry('masked language modelling', 'text', ['masked language modelling, input', '01010101']),
  entry('text classification', 'text', ['text classification, input', '01010101']),
  entry('image captioning', 'image', ['image captioning, image', '11011001']),
  entry('image captioning', 'words', ['image captioning, words and queries', '11010111']),
  entry('video captioning', 'image', ['video captioning, video', '11011001']),
  entry('video captioning', 'words', ['video captioning, words and queries', '11010111']),
  entry('vocabulary', 'candidate', ['vocabulary and label words', '11010100']),
]);
