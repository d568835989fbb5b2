/** What ranks tell each other as JSON, and whether they have the same. */
import { parseJson } from '../json.ts';
import type { Communicator } from './communicator.ts';

/** JSON of all ranks, in their order. @param value what this one has; NaN and infinity have no JSON */
export const gatherJson = async <T>(communicator: Communicator, value: T): Promise<readonly T[]> => {
  const parts = await communicator.allGather(new TextEncoder().encode(JSON.stringify(value)));
  return parts.map((part, rank) => parseJson(new TextDecoder().decode(part), `rank ${rank}`) as T);
};

/** A fact that a rank has otherwise than rank 0. */
export interface Disagreement {
  /** Name of the fact. */
  readonly fact: string;
  readonly rank: number;
  /** What that rank has; undefined where it lacks the fact. */
  readonly theirs: string | undefined;
  readonly ofFirst: string | undefined;
}

/** The first fact that is not the same on all ranks, told alike on all of them; undefined where they agree. */
export const findDisagreement = async (
  communicator: Communicator,
  facts: Readonly<Record<string, string>>,
): Promise<Disagreement | undefined> => {
  const [first = {}, ...others] = await gatherJson(communicator, facts);
  for (const [at, theirs] of others.entries()) {
    const fact = [...new Set([...Object.keys(first), ...Object.keys(theirs)])].find(
      (name) => first[name] !== theirs[name],
    );
    if (fact !== undefined) return { fact, rank: at + 1, theirs: theirs[fact], ofFirst: first[fact] };
  }
  return undefined;
};
