/** The `tokenizer.json` form of the Hugging Face libraries, for byte-level BPE with optional lower-casing. */
import type { TokenizerModel } from './tokenizer-model.ts';

export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** The fields of `tokenizer.json` that are written. */
export interface TokenizerJson {
  readonly version: '1.0';
  readonly truncation: null;
  readonly padding: null;
  readonly added_tokens: readonly AddedTokenJson[];
  readonly normalizer: { readonly type: 'Lowercase' } | null;
  readonly pre_tokenizer: {
    readonly type: 'ByteLevel';
    readonly add_prefix_space: boolean;
    readonly trim_offsets: true;
    readonly use_regex: true;
  };
  readonly post_processor: null;
  readonly decoder: {
    readonly type: 'ByteLevel';
    readonly add_prefix_space: false;
    readonly trim_offsets: true;
    readonly use_regex: true;
  };
  readonly model: {
    readonly type: 'BPE';
    readonly dropout: null;
    readonly unk_token: null;
    readonly continuing_subword_prefix: null;
    readonly end_of_word_suffix: null;
    readonly fuse_unk: false;
    readonly byte_fallback: false;
    readonly ignore_merges: false;
    readonly vocab: Readonly<Record<string, number>>;
    /** "left right", the form that old and new readers know; a stand-in text never holds a blank. */
    readonly merges: readonly string[];
  };
}

/** The JSON record of a tokenizer model; vocabulary in id order, so equal models give equal texts. */
export const tokenizerJson = (model: TokenizerModel): TokenizerJson => {
  const specials = new Set(model.specials);
  const normalized = new Set(model.normalized);
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
  } as const;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...model.specials]
      .sort((a, b) => a - b)
      .map((id) => ({
        id,
        content: model.tokens[id] ?? '',
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: normalized.has(id),
        special: true,
      })),
    normalizer: model.lowercase ? { type: 'Lowercase' } : null,
    pre_tokenizer: { ...byteLevel, add_prefix_space: model.prefixSpace ?? false },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: vocabularyRecord(model, specials),
      merges: model.merges.map(([left, right]) => `${model.tokens[left]} ${model.tokens[right]}`),
    },
  };
};

const vocabularyRecord = (
  model: TokenizerModel,
  specials: ReadonlySet<number>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    model.tokens.map((token, id) => [token, id] as const).filter(([, id]) => !specials.has(id)),
  );

/** The bytes of the file, as text: what {@link Tokenizer.hash} is taken of. */
export const serializeTokenizer = (json: TokenizerJson): string => `${JSON.stringify(json, null, 2)}\n`;
