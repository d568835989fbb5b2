/** All known questions. A kernel that training goes through belongs into one of them. */
import { attentionQuestions } from './attention-questions.ts';
import { convolutionQuestions } from './convolution-questions.ts';
import { expertQuestions } from './expert-questions.ts';
import { productQuestions } from './product-questions.ts';
import type { Question } from './question.ts';
import { rowQuestions } from './row-questions.ts';
import { tableQuestions } from './table-questions.ts';

export const knownQuestions: readonly Question[] = [
  ...productQuestions,
  ...convolutionQuestions,
  ...rowQuestions,
  ...attentionQuestions,
  ...expertQuestions,
  ...tableQuestions,
];
