/**
 * Whether the engine in use can be trusted: it is asked the known questions; where it is wrong, the other ways of computing
 * that it has are tried, the cheapest first, and those that mend something are kept.
 */
import { askQuestions, type AskOptions, type WrongAnswer } from './ask.ts';
import type { Question } from './question.ts';

/** Another way of computing that an engine has for some families of kernels. */
export interface Workaround {
  /** In words that follow "with": `convolutions without oneDNN`. */
  readonly name: string;
  /** Families of questions whose kernels it computes in another way. */
  readonly repairs: readonly string[];
  /** Concerns so few programs that the line that names the engine leaves it to `doctor`. @default false */
  readonly quiet?: boolean;
  readonly use: (on: boolean) => void;
}

/** What came of the questions. */
export interface EngineAnswers {
  /** Questions that the engine could be asked. */
  readonly asked: number;
  /** What it answered wrongly in its usual ways. */
  readonly found: readonly WrongAnswer[];
  /** Names of the other ways that are in use now. */
  readonly workarounds: readonly string[];
  /** What is still wrong with them; an engine with any is not to be used. */
  readonly wrong: readonly WrongAnswer[];
}

/** Rounds over all workarounds: two that help only together are found in the second. */
const MOST_ROUNDS = 3;

/** Asks, tries other ways, asks all again with those that helped. They stay in use. */
export const examine = (
  questions: readonly Question[],
  options: AskOptions,
  workarounds: readonly Workaround[] = [],
): EngineAnswers => {
  const { asked, wrong: found } = askQuestions(questions, options);
  const used: Workaround[] = [];
  let wrong = found;
  for (let round = 0; round < MOST_ROUNDS && wrong.length > 0; round += 1) {
    for (const workaround of workarounds) {
      if (wrong.length === 0) break;
      if (used.includes(workaround) || !wrong.some(({ family }) => workaround.repairs.includes(family)))
        continue;
      const open = questions.filter(({ name }) => wrong.some(({ question }) => question === name));
      workaround.use(true);
      const left = askQuestions(open, options).wrong;
      if (left.length < wrong.length) {
        used.push(workaround);
        wrong = left;
      } else {
        workaround.use(false);
      }
    }
    // Another way may be wrong where the usual one was right.
    if (wrong.length === 0) wrong = askQuestions(questions, options).wrong;
  }
  return { asked, found, workarounds: used.map(({ name }) => name), wrong };
};
