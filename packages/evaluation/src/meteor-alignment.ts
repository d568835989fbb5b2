/**
 * The alignment of two texts by METEOR 1.5 (Denkowski and Lavie, 2014, section 2): which words or phrases of a candidate
 * stand for which of a reference, each once. Of all alignments it wants the one that covers the most words; of those the
 * fewest chunks, which are runs of matches that are next to each other on both sides; of those the least distance.
 *
 * It is found as the published program finds it, by a beam of 40 over the words of the reference, so that scores are the
 * same where the beam or its arithmetic decides: only exact matches and phrases count as covered words in the search.
 */

/** Which kind of match it is; matches of a kind have a weight of their own. */
export const matchers = Object.freeze(['exact', 'stem', 'synonym', 'paraphrase'] as const);

/** Spans that stand for each other. */
export interface AlignedMatch {
  /** Index into {@link matchers}. */
  readonly matcher: number;
  /** First word in the reference, and how many. */
  readonly start: number;
  readonly length: number;
  /** First word in the candidate, and how many. */
  readonly otherStart: number;
  readonly otherLength: number;
}

/** What words stand for each other beside equal ones. */
export interface WordRelations {
  readonly stem: (word: string) => string;
  /** Numbers of the sets of synonyms that a word is in. @default none */
  readonly synonymSets?: ((word: string) => ReadonlySet<number>) | undefined;
  /** Phrases that stand for a phrase, their words parted by single blanks. @default none */
  readonly paraphrases?: ((phrase: string) => readonly string[]) | undefined;
  /** Words of the longest phrase. @default 1 */
  readonly longestPhrase?: number | undefined;
}

const BEAM = 40;
/** Weights of matches within the search; sums are cut to whole numbers. */
const searchWeights = [1, 0.5, 0.5, 0.5] as const;

const intersects = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => {
  for (const value of a) if (b.has(value)) return true;
  return false;
};

/** Matches of phrases of `from` with paraphrases of them in `to`. @param add gets spans of from, then of to */
const phraseMatches = (
  from: readonly string[],
  to: readonly string[],
  relations: WordRelations,
  add: (start: number, length: number, otherStart: number, otherLength: number) => void,
): void => {
  const { paraphrases, longestPhrase = 1 } = relations;
  if (!paraphrases) return;
  for (let start = 0; start < from.length; start += 1) {
    for (let length = 1; length <= Math.min(longestPhrase, from.length - start); length += 1) {
      for (const phrase of paraphrases(from.slice(start, start + length).join(' '))) {
        const words = phrase.split(' ');
        for (let other = 0; other + words.length <= to.length; other += 1) {
          if (words.every((word, i) => word === to[other + i])) add(start, length, other, words.length);
        }
      }
    }
  }
};

/** All matches by first word of the reference, those of one kind after another. */
const allMatches = (
  candidate: readonly string[],
  reference: readonly string[],
  relations: WordRelations,
): readonly AlignedMatch[][] => {
  const matches: AlignedMatch[][] = reference.map(() => []);
  const addWords = (matcher: number, equal: (other: number, start: number) => boolean): void => {
    for (const start of reference.keys()) {
      for (const otherStart of candidate.keys()) {
        if (!equal(otherStart, start)) continue;
        matches[start]?.push({ matcher, start, length: 1, otherStart, otherLength: 1 });
      }
    }
  };
  addWords(0, (other, start) => candidate[other] === reference[start]);
  const same = candidate.length === reference.length && candidate.every((word, i) => word === reference[i]);
  if (same) return matches;
  const stems = [candidate.map(relations.stem), reference.map(relations.stem)] as const;
  addWords(1, (other, start) => stems[0][other] === stems[1][start] && candidate[other] !== reference[start]);
  const { synonymSets } = relations;
  if (synonymSets) {
    const sets = [candidate.map(synonymSets), reference.map(synonymSets)] as const;
    addWords(2, (other, start) => {
      const [a, b] = [sets[0][other], sets[1][start]];
      return candidate[other] !== reference[start] && a !== undefined && b !== undefined && intersects(a, b);
    });
  }
  phraseMatches(reference, candidate, relations, (start, length, otherStart, otherLength) =>
    matches[start]?.push({ matcher: 3, start, length, otherStart, otherLength }),
  );
  phraseMatches(candidate, reference, relations, (otherStart, otherLength, start, length) =>
    matches[start]?.push({ matcher: 3, start, length, otherStart, otherLength }),
  );
  return matches;
};

/** A path through the reference: what is matched up to a word. */
interface Path {
  matches: (AlignedMatch | undefined)[];
  usedReference: boolean[];
  usedCandidate: boolean[];
  coveredReference: number;
  coveredCandidate: number;
  chunks: number;
  distance: number;
  /** Next word of the reference. */
  next: number;
  /** Word of the candidate behind the last match; -1 where the last word has none. */
  lastEnd: number;
}

const copyOf = (path: Path): Path => ({
  ...path,
  matches: [...path.matches],
  usedReference: [...path.usedReference],
  usedCandidate: [...path.usedCandidate],
});

const mark = ({ usedReference, usedCandidate }: Path, match: AlignedMatch): void => {
  usedReference.fill(true, match.start, match.start + match.length);
  usedCandidate.fill(true, match.otherStart, match.otherStart + match.otherLength);
};

const isUsed = ({ usedReference, usedCandidate }: Path, match: AlignedMatch): boolean =>
  usedReference.slice(match.start, match.start + match.length).includes(true) ||
  usedCandidate.slice(match.otherStart, match.otherStart + match.otherLength).includes(true);

const take = (path: Path, match: AlignedMatch): void => {
  const weight = searchWeights[match.matcher] ?? 0;
  path.coveredCandidate = Math.trunc(path.coveredCandidate + match.otherLength * weight);
  path.coveredReference = Math.trunc(path.coveredReference + match.length * weight);
  if (path.lastEnd !== -1 && match.otherStart !== path.lastEnd) path.chunks += 1;
  path.next = match.start + match.length;
  path.lastEnd = match.otherStart + match.otherLength;
};

const distanceOf = (match: AlignedMatch): number => Math.abs(match.start - match.otherStart);

const endChunk = (path: Path): void => {
  if (path.lastEnd !== -1) path.chunks += 1;
  path.lastEnd = -1;
};

const better = (a: Path, b: Path): number =>
  b.coveredCandidate + b.coveredReference - a.coveredCandidate - a.coveredReference ||
  a.chunks - b.chunks ||
  a.distance - b.distance;

/** A path that holds the matches which leave no choice: no word of theirs has another. */
const startOf = (matches: readonly AlignedMatch[][], candidateLength: number): Path => {
  const reference = new Int32Array(matches.length);
  const candidate = new Int32Array(candidateLength);
  const count = (counts: Int32Array, start: number, length: number): void => {
    for (let i = start; i < start + length; i += 1) counts[i] = (counts[i] ?? 0) + 1;
  };
  for (const match of matches.flat()) {
    count(reference, match.start, match.length);
    count(candidate, match.otherStart, match.otherLength);
  }
  const path: Path = {
    matches: matches.map(() => undefined),
    usedReference: matches.map(() => false),
    usedCandidate: Array.from(candidate, () => false),
    coveredReference: 0,
    coveredCandidate: 0,
    chunks: 0,
    distance: 0,
    next: 0,
    lastEnd: -1,
  };
  for (const [start, [match, ...others]] of matches.entries()) {
    if (!match || others.length > 0) continue;
    const counts = [
      ...reference.subarray(start, start + match.length),
      ...candidate.subarray(match.otherStart, match.otherStart + match.otherLength),
    ];
    if (counts.some((each) => each !== 1)) continue;
    path.matches[start] = match;
    mark(path, match);
  }
  return path;
};

/** Paths that go on from a path at a word of the reference. */
const goOn = (path: Path, at: number, matches: readonly AlignedMatch[]): readonly Path[] => {
  if (path.usedReference[at]) {
    if (at < path.next) return [path];
    const match = path.matches[path.next];
    if (!match) return [];
    take(path, match);
    path.distance += distanceOf(match);
    return [path];
  }
  const paths: Path[] = [];
  for (const match of matches) {
    if (isUsed(path, match)) continue;
    const taken = copyOf(path);
    mark(taken, match);
    taken.matches[at] = match;
    take(taken, match);
    // As published: the distance is that of the path that goes on without the match.
    path.distance += distanceOf(match);
    paths.push(taken);
  }
  endChunk(path);
  path.next += 1;
  return [...paths, path];
};

/** The alignment of a candidate with a reference: its matches from the first word of the reference on. */
export const alignWords = (
  candidate: readonly string[],
  reference: readonly string[],
  relations: WordRelations,
): readonly AlignedMatch[] => {
  const matches = allMatches(candidate, reference, relations);
  let paths: Path[] = [startOf(matches, candidate.length)];
  for (const [at, here] of matches.entries()) {
    const before = paths.sort(better);
    const after = before.slice(0, BEAM).flatMap((path) => goOn(path, at, here));
    paths = after.length > 0 ? after : before.slice(0, 1);
  }
  const last = paths.sort(better).slice(0, BEAM);
  for (const path of last) endChunk(path);
  const [best] = last.sort(better);
  return (best?.matches ?? []).filter((match) => match !== undefined);
};
