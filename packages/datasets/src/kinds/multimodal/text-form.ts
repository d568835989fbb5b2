import { fault } from '../../samples/sample.ts';
import { encodeText } from '../row-batches.ts';
import type { InputForm } from './input-form.ts';

const WORDS = 4;

/** Texts as ids of the suite's tokenizer. */
export const textForm: InputForm = {
  name: 'text',
  summary: 'texts, as ids of the tokenizer of the suite',
  isMeasured: false,
  column: () => ({ list: 'int32' }),
  cell(content, { id, tokenizer }) {
    if (content.kind !== 'bytes') return fault(id, 'no-text', 'expected a text, got another content');
    return encodeText(id, new TextDecoder().decode(content.bytes), tokenizer);
  },
  missing: () => new Int32Array(0),
  synthetic: ({ words, tokenizer, random }) =>
    tokenizer.encode(Array.from({ length: WORDS }, () => words[random.integer(words.length)]).join(' ')),
};
