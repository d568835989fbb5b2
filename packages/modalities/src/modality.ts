/**
 * A modality: one record with everything that the rest must know of a kind of data, from the columns of prepared rows to
 * vectors of the model's width. A record of another package is registered by `registerModality`.
 *
 * B batch · L tokens of a segment · D width
 */
import type { AttributeRow } from '@polygate/attributes';
import {
  callNow,
  callWith,
  listOf,
  optional,
  recordOf,
  ruleOf,
  rules,
  shaped,
  type NamedRecord,
  type Random,
  type RecordShape,
  type Rule,
} from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import type { ColumnInput, FieldKind } from '@polygate/stream';
import type * as tf from '@tensorflow/tfjs';
import type { BatchColumns } from './columns.ts';
import type { RawShape, RawTokens } from './raw-tokens.ts';
import type { Segment, SegmentRows } from './segment.ts';
import type { StoredInput } from '@polygate/stream';
import type { InputContext } from './input-context.ts';

/** How rows become a segment. */
export interface ReadOptions {
  /** Attributes of the segment. */
  readonly row: AttributeRow;
  /** Stream of row `i`, in training; absent in evaluation, where nothing is drawn. */
  readonly rowRandom?: ((row: number) => Random) | undefined;
}

/** What a check knows of the encoder and the batch that a segment is for. */
export interface CheckContext<Settings extends object = object> {
  readonly settings: Settings;
  /** B */
  readonly size: number;
  /** What errors call the segment, e.g. `encode: expected segment 0 (text)`. */
  readonly label: string;
}

/** What embedding knows of its encoder. All borrowed. */
export interface EmbeddingContext<Settings extends object = object> {
  readonly settings: Settings;
  /** D */
  readonly width: number;
  /** B */
  readonly size: number;
  /** Whether the prefix token comes first in the result; only for a modality that has it. */
  readonly prefix: boolean;
  /** A parameter of the modality. */
  parameter(name: string): tf.Tensor;
  /** A fixed tensor that the encoder keeps under a key: made at the first call, freed with the encoder. */
  constant(key: string, make: () => tf.Tensor): tf.Tensor;
}

/** What a model that starts from another one's weights needs to know of a modality's settings and parameters. */
export interface ModalityTransfer {
  /** Settings that decide what parameters mean: weights of other values are of no use. @default none */
  readonly same?: readonly string[];
  /** Settings without parameters that change what weights compute. @default none */
  readonly told?: readonly string[];
  /** Tables whose rows are taken by index as far as both have them: what the rows are, by parameter. @default none */
  readonly tables?: Readonly<Record<string, string>>;
  /**
   * Tables that cover the same stretch by however many rows, which are interpolated linearly where the start has more or
   * fewer: what the rows are, by parameter. @default none
   */
  readonly interpolated?: Readonly<Record<string, string>>;
  /** Why a parameter of another shape is drawn anew. @default 'of another shape in the start' */
  readonly mismatch?: string;
}

/**
 * A kind of data. `Settings` are those of an encoder (plain JSON), `Input` what the data of a model look like.
 *
 * Fields in two groups: from rows to a segment on the host, and from a segment to vectors in an encoder.
 */
export interface Modality<
  Settings extends object = object,
  Input extends object = object,
  S extends Segment = Segment,
> extends NamedRecord {
  /** Group of attribute bits that its tokens set; modalities may share one. */
  readonly attribute: string;

  /** Columns of prepared rows that it reads. */
  columns(input: Input): Readonly<Record<string, FieldKind>>;
  /**
   * The segment of a batch of rows.
   * @throws ShapeError for rows that are not as `input` says
   */
  read(columns: BatchColumns, input: Input, options: ReadOptions): SegmentRows<S>;
  /** Tokens of one sample. */
  tokens(input: Input): number;
  /** Values of one sample before it is embedded; for memory estimates. */
  values(input: Input): number;
  /** Made-up values of its columns for `rows` rows. */
  synthetic(random: Random, input: Input, rows: number): Readonly<Record<string, ColumnInput>>;
  /**
   * How an input of a multimodal dataset is read. The result is plain JSON, which goes with models.
   * @default it is no input of such datasets
   * @throws ConfigError for an input that it can't read, or settings that it doesn't have
   */
  input?(stored: StoredInput, context: InputContext): Input;
  /** Settings that an encoder needs to embed such inputs, where a recipe says no others. @default none */
  settingsFor?(inputs: readonly Input[]): object;
  /** What tokens of an input look like before they are embedded. @default none but its own `embed` can read them */
  rawShape?(input: Input): RawShape;
  /** The tokens of a segment before they are embedded: for models that embed all modalities in one way of their own. */
  rawTokens?(segment: S): RawTokens;

  /**
   * Settings with their defaults, checked.
   * @param settings as a file may hold them
   * @param width D, for what depends on it
   * @throws ConfigError naming the setting, what it expects and what it got
   */
  resolve(settings: unknown, width: number): Settings;
  /** Settings that a configuration may have on its top level, beside those of other modalities. @default none */
  readonly topLevel?: readonly string[];
  /** Parameters that embed it, names in full: `embedding.…`. */
  parameters(settings: Settings, width: number): readonly ParameterSpec[];
  /** Part of an encoder's accounting that a parameter counts to. @default `NAME embedding` */
  partOf?(parameter: string): string;
  /** Operations that embed one token, a multiplication and an addition counting as two. @default 0: looked up */
  operations?(settings: Settings, width: number): number;
  readonly transfer?: ModalityTransfer;
  /** @throws ShapeError for a segment that does not fit the encoder */
  check(segment: S, context: CheckContext<Settings>): void;
  /** Draws what a segment leaves open in training, e.g. the position of a clip in time. @default nothing is drawn */
  draw?(segment: S, settings: Settings, random: Random): S;
  /** Whether the prefix token of sequences is one of its tokens, so that `embed` puts it first where it is asked. */
  readonly hasPrefix?: boolean;
  /** [B * L], 1 where a token of a segment is the prefix's, as in texts with blanks. @default none is */
  prefixTokens?(segment: S, settings: Settings): Uint8Array;
  /**
   * Embeds all segments of this modality in a sequence, one after another on the axis of tokens, so that a table is
   * looked up once for all.
   * @returns [B, (prefix ? 1 : 0) + sum of L, D] float32; called inside a tidy
   */
  embed(segments: readonly S[], context: EmbeddingContext<Settings>): tf.Tensor3D;
}

const segmentRule = shaped({
  modality: rules.text,
  arrays: rules.record,
  length: rules.count,
  layout: rules.record,
  row: rules.record,
});

/** What segments are embedded as: the tensor that the encoder asks for, on the engine. */
const embedded = ([segments, context]: readonly unknown[]): Rule => {
  const { size, width, prefix } = context as EmbeddingContext;
  const tokens = (segments as readonly Segment[]).reduce((sum, { length }) => sum + length, prefix ? 1 : 0);
  const shape = [size, tokens, width];
  const isSo = (value: unknown): boolean => {
    const { shape: got, dtype, isDisposed } = Object(value) as Partial<tf.Tensor>;
    return (
      dtype === 'float32' && isDisposed === false && got?.length === 3 && shape.every((n, i) => got[i] === n)
    );
  };
  return (value, path = '') =>
    isSo(value)
      ? undefined
      : { path, expected: `a float32 tensor [${shape.join(', ')}]`, got: gotOf(value as Partial<tf.Tensor>) };
};

/** A tensor in an error text. */
const gotOf = (value: Partial<tf.Tensor> | null | undefined): unknown =>
  value?.shape === undefined
    ? value
    : `${value.isDisposed === true ? 'disposed ' : ''}${value.dtype} [${value.shape.join(', ')}]`;

/** What the fields of a {@link Modality} must be. */
export const modalityShape: RecordShape<Modality> = {
  attribute: rules.text,
  columns: callNow(rules.record),
  read: callNow(shaped({ segment: segmentRule })),
  tokens: callNow(rules.amount),
  values: callNow(rules.amount),
  synthetic: callNow(rules.record),
  input: optional(callNow(rules.record)),
  settingsFor: optional(callNow(rules.record)),
  rawShape: optional(callNow(shaped({ width: rules.count, axes: rules.count }))),
  rawTokens: optional(
    callNow(shaped({ values: rules.any, width: rules.count, axes: rules.count, coordinates: rules.any })),
  ),
  resolve: callNow(rules.record),
  topLevel: optional(listOf(rules.text)),
  parameters: callNow(listOf(shaped({ name: rules.text, shape: listOf(rules.count) }))),
  partOf: optional(callNow(rules.text)),
  operations: optional(callNow(rules.amount)),
  transfer: optional(
    shaped({
      same: optional(listOf(rules.text)),
      told: optional(listOf(rules.text)),
      tables: optional(recordOf(rules.text)),
      interpolated: optional(recordOf(rules.text)),
      mismatch: optional(rules.text),
    }),
  ),
  check: callNow(),
  draw: optional(callNow(segmentRule)),
  hasPrefix: optional(rules.flag),
  prefixTokens: optional(callNow(ruleOf('a Uint8Array', (value) => value instanceof Uint8Array))),
  embed: callWith(embedded, { atOnce: true }),
};
