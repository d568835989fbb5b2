/** What `tokenizer.json` has no place for, in the `tokenizer_config.json` of the Hugging Face libraries. */
import type { Tokenizer } from './tokenizer.ts';

/** The fields of `tokenizer_config.json` that are written. */
export interface TokenizerConfigJson {
  readonly tokenizer_class: 'PreTrainedTokenizerFast';
  readonly cls_token: string;
  readonly mask_token: string;
  readonly eos_token: string;
  readonly pad_token: string;
  readonly padding_side: 'right';
  readonly clean_up_tokenization_spaces: false;
}

/**
 * What each special token is for: `<|spe|>` stands in front of a sequence and for a masked word, `<|endoftext|>` ends a
 * text and fills short rows up. Ids depend on none of it.
 */
export const tokenizerConfig = ({ specials, tokenOf }: Tokenizer): TokenizerConfigJson => {
  const [spe, end] = [tokenOf(specials.spe), tokenOf(specials.endoftext)];
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    cls_token: spe,
    mask_token: spe,
    eos_token: end,
    pad_token: end,
    padding_side: 'right',
    clean_up_tokenization_spaces: false,
  };
};
