/**
 * The 8 attribute bits of a token (Uni-Perceiver-MoE, Table 2 and Eq. 9), in the paper's order. They are a function of
 * the task's signature and of the token's segment, so a task that nobody foresaw has its rows too.
 */
import { ConfigError, FormatError } from '@polygate/core';
import { modalitiesOf } from './task-signature.ts';
import type { Modality, TaskSignature, TokenSource } from './task-signature.ts';

export type Bit = 0 | 1;

/** Bits 0 to 7 as {@link attributeNames} lists them. */
export type AttributeRow = readonly [Bit, Bit, Bit, Bit, Bit, Bit, Bit, Bit];

/** What each bit says, in the paper's order. */
export const attributeNames = Object.freeze([
  'visual in inputs',
  'text in inputs',
  'visual in targets',
  'text in targets',
  'token is visual',
  'token is text',
  'causal mask',
  'from inputs',
] as const);

/** The segment that a token belongs to. */
export interface SegmentAttributes {
  readonly modality: Modality;
  /** The attention mask of the token is causal (words and query tokens of captioning). */
  readonly causal: boolean;
  /** From the input sequence, or from a candidate. */
  readonly source: TokenSource;
}

const bit = (value: boolean): Bit => (value ? 1 : 0);

const freeze = (row: AttributeRow): AttributeRow => Object.freeze(row);

/**
 * The row of a segment. The prefix token of a sequence has the row of the first segment.
 * @throws ConfigError for a segment whose modality the task does not have on that side
 */
export const attributeRow = (signature: TaskSignature, segment: SegmentAttributes): AttributeRow => {
  const inputs = modalitiesOf(signature, 'input');
  const targets = modalitiesOf(signature, 'target');
  const own = segment.source === 'input' ? inputs : targets;
  if (!own.includes(segment.modality)) {
    throw new ConfigError(
      `attributeRow: expected a modality that the task has among its ${segment.source}s (${own.join(', ')}), ` +
        `got "${segment.modality}"; correct the segment or add the modality to the signature`,
      { code: 'modality-missing', fields: { modality: segment.modality, source: segment.source } },
    );
  }
  return freeze([
    bit(inputs.includes('visual')),
    bit(inputs.includes('text')),
    bit(targets.includes('visual')),
    bit(targets.includes('text')),
    bit(segment.modality === 'visual'),
    bit(segment.modality === 'text'),
    bit(segment.causal),
    bit(segment.source === 'input'),
  ]);
};

/** A row as text, "10011001": the key of caches and plots. */
export const rowKey = (row: AttributeRow): string => row.join('');

/** The row of a {@link rowKey}. @throws FormatError */
export const parseRow = (key: string): AttributeRow => {
  if (!/^[01]{8}$/u.test(key)) {
    throw new FormatError(
      `attribute row: expected eight characters 0 or 1 such as "10011001", got "${key}"`,
      {
        code: 'attribute-row',
        fields: { key },
      },
    );
  }
  return freeze([...key].map((character) => bit(character === '1')) as unknown as AttributeRow);
};

/**
 * The row in the order of the paper's published code, whose bit 6 is "from targets" and bit 7 "causal mask". Weights of
 * that code's gates expect it.
 */
export const toPublishedOrder = (row: AttributeRow): AttributeRow => {
  const [visualIn, textIn, visualOut, textOut, visual, text, causal, fromInputs] = row;
  return freeze([visualIn, textIn, visualOut, textOut, visual, text, bit(fromInputs === 0), causal]);
};

/** The row in the paper's order; the inverse of {@link toPublishedOrder}. */
export const fromPublishedOrder = (row: AttributeRow): AttributeRow => {
  const [visualIn, textIn, visualOut, textOut, visual, text, fromTargets, causal] = row;
  return freeze([visualIn, textIn, visualOut, textOut, visual, text, causal, bit(fromTargets === 0)]);
};
