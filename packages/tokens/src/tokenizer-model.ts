/** What a tokenizer has learned, and how it treats text. */
export interface TokenizerModel {
  /** Text of each token by id: stand-in characters of its bytes, or the literal text of a special token. */
  readonly tokens: readonly string[];
  /** Merge rules in rank order, as ids of the left and the right token. */
  readonly merges: readonly (readonly [number, number])[];
  /** Ids of the special tokens. */
  readonly specials: readonly number[];
  /** Those of them that are looked for in the text after it is lower-cased, not before. @default none */
  readonly normalized?: readonly number[];
  readonly lowercase: boolean;
  /** Whether text that begins without a blank gets one, after a special token too. @default false */
  readonly prefixSpace?: boolean;
}
