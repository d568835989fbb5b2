/**
 * Lists of the samples of a subset: written into run folders, and given back as they are, by others or for another run.
 * A list is JSON, or a text of one id a line.
 */
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import type { ChosenRows, SubsetCandidate } from './subset-rule.ts';

/** What a list says of a subset. */
export interface SubsetList {
  readonly dataset?: string;
  readonly split?: string;
  /** Settings that it was chosen by. */
  readonly rule?: Readonly<Record<string, unknown>>;
  /** Hash of the rows of the split that `rows` counts. */
  readonly content?: string;
  /** Samples of the split. */
  readonly of?: number;
  readonly ids: readonly string[];
  /** Numbers of the captions that are kept of each sample. @default all */
  readonly captions?: readonly (readonly number[])[];
  /** Rows of the samples in the split of that content. */
  readonly rows?: readonly number[];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');

const isWhole = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((number) => Number.isSafeInteger(number) && (number as number) >= 0);

/** What is wrong with the fields of a list, or undefined. */
const problemOf = (value: Readonly<Record<string, unknown>>): string | undefined => {
  const { ids, captions, rows, content } = value;
  if (!isTexts(ids) || ids.length === 0) return `expected a list "ids" of texts, got ${excerpt(ids)}`;
  const isKept = Array.isArray(captions) && captions.length === ids.length && captions.every(isWhole);
  if (captions !== undefined && !isKept)
    return `expected "captions" to have a list of numbers for each of ${ids.length} ids, got ${excerpt(captions)}`;
  if (rows !== undefined && !(isWhole(rows) && rows.length === ids.length))
    return `expected "rows" to have a number for each of ${ids.length} ids, got ${excerpt(rows)}`;
  if (content !== undefined && typeof content !== 'string')
    return `expected a text "content", got ${excerpt(content)}`;
  return undefined;
};

/**
 * Parses a list. @param path its file, in messages
 * @throws FormatError for a text without ids, or JSON that is no list
 */
export const parseSubsetList = (text: string, path: string): SubsetList => {
  const fail = (problem: string): never => {
    throw new FormatError(
      `subset list ${path}: ${problem}; give one id a line, or {"ids": ["ID", ...]} as run folders have it`,
      { code: 'subset-list', fields: { path } },
    );
  };
  if (!text.trimStart().startsWith('{')) {
    const ids = text.split(/\r?\n/u).filter((line) => line !== '');
    return ids.length > 0 ? { ids } : fail('expected ids, got none');
  }
  const value = parseJson(text, `subset list ${path}`);
  if (!isRecord(value)) return fail(`expected an object, got ${excerpt(value)}`);
  const problem = problemOf(value);
  return problem === undefined ? (value as unknown as SubsetList) : fail(problem);
};

/** A list as it is written: a line for each part, so that two of them can be compared. */
export const formatSubsetList = ({ ids, captions, rows, ...about }: SubsetList): string => {
  const lines = [
    ...Object.entries(about).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`),
    `"ids": [\n${ids.map((id) => `    ${JSON.stringify(id)}`).join(',\n')}\n  ]`,
    ...(captions ? [`"captions": ${JSON.stringify(captions)}`] : []),
    ...(rows ? [`"rows": ${JSON.stringify(rows)}`] : []),
  ];
  return `{\n${lines.map((line) => `  ${line}`).join(',\n')}\n}\n`;
};

/** The numbers of captions to keep of a row, which must be there. */
const captionsOf = (
  { id, captions = 0 }: SubsetCandidate,
  wanted: readonly number[],
  path: string,
): readonly number[] => {
  const outside = wanted.find((caption) => caption >= captions);
  if (outside === undefined && wanted.length > 0) return wanted;
  throw new ConfigError(
    `subset list ${path}: expected numbers of the ${captions} captions of "${id}", counted from 0, got ${outside ?? 'none'}; correct the list`,
    { code: 'subset-list-captions', fields: { id } },
  );
};

/**
 * Rows of the samples that a list names, in the order of the split. Ids that stand more than once in the split are all taken.
 * @param names of the list and the data, in messages
 * @throws ConfigError for samples that are not there, and ids that a list with captions has twice
 */
export const rowsOfList = (
  candidates: readonly SubsetCandidate[],
  list: SubsetList,
  names: { readonly list: string; readonly data: string },
): ChosenRows => {
  const wanted = new Map<string, readonly number[] | undefined>();
  list.ids.forEach((id, i) => {
    if (list.captions && wanted.has(id)) {
      throw new ConfigError(
        `subset list ${names.list}: expected the captions of each id once, got "${id}" twice; join them`,
        { code: 'subset-list-twice', fields: { id } },
      );
    }
    wanted.set(id, list.captions?.[i]);
  });
  const rows = candidates.flatMap(({ id }, row) => (wanted.has(id) ? [row] : []));
  const present = new Set(rows.map((row) => candidates[row]?.id));
  const missing = list.ids.filter((id) => !present.has(id));
  if (missing.length > 0) {
    throw new ConfigError(
      `subset list ${names.list}: expected ids of ${names.data}, which has ${candidates.length} samples, got ${missing.length} that it has not, such as "${missing[0]}"; correct the list, or choose by subset.share or subset.perClass`,
      { code: 'subset-list-missing', fields: { missing: missing.length, id: missing[0] } },
    );
  }
  if (!list.captions) return { rows };
  const captions = rows.map((row) => {
    const candidate = candidates[row] as SubsetCandidate;
    return captionsOf(candidate, wanted.get(candidate.id) ?? [], names.list);
  });
  return { rows, captions };
};
