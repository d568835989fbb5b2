/** A recipe for what lies at a path: every reader is asked whether it reads it, and the one that does is taken. */
import { basename, isAbsolute, relative, resolve, sep } from 'node:path';
import { ConfigError, laySettings } from '@polygate/core';
import {
  allReaders,
  readerNamed,
  surveyPath,
  unreadFile,
  type DatasetReader,
  type PathSurvey,
  type ReaderFit,
  type UnreadFile,
} from '@polygate/datasets';
import { parsePrepareRecipe, prepareSchema, type PrepareRecipe } from './recipe.ts';

export interface PathRecipeOptions {
  /** Name of the reader that is to read it. @default the one that fits */
  readonly reader?: string;
  /** Settings `path=value` laid over the recipe. */
  readonly set?: readonly string[];
  /** Folder of all suites; a suite never takes the place of what it is made of. @default 'data' */
  readonly output?: string;
}

/** What one reader says of a path. */
export interface ReaderFinding {
  readonly reader: string;
  readonly fit: ReaderFit['fit'];
  readonly reason: string;
}

/** A recipe that reads a path, and why. */
export interface PathRecipe {
  /** What was seen, in one line. */
  readonly seen: string;
  /** Name of the reader that is taken. */
  readonly reader: string;
  readonly reason: string;
  /** What the other readers say that have anything to do with it. */
  readonly others: readonly ReaderFinding[];
  /** As a recipe file has it, with the settings laid over. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly recipe: PrepareRecipe;
}

/** Longest name that is made of a path's, characters. */
const MAX_NAME = 40;

interface Answer {
  readonly reader: DatasetReader;
  readonly fit: ReaderFit;
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** Files by extension, most frequent first. */
const describeSurvey = (survey: PathSurvey): string => {
  if (survey.kind === 'file') return `the file ${basename(survey.path)}`;
  const byExtension = new Map<string, number>();
  for (const { extension } of survey.files) byExtension.set(extension, (byExtension.get(extension) ?? 0) + 1);
  const listed = [...byExtension]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, 6)
    .map(([extension, files]) => `${files} ${extension === '' ? 'without extension' : extension}`);
  const more = survey.complete ? '' : ' or more';
  const files = `${count(survey.files.length, 'file')}${more}${listed.length > 0 ? ` (${listed.join(', ')})` : ''}`;
  return `${files} in ${count(survey.folders.length, 'folder')} below ${survey.path}`;
};

const isSameOrBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
};

/** A name for the suite and its dataset, made of the path's; its folder holds nothing of the path, nor the other way round. */
const nameOf = (path: string, output: string): string => {
  const source = resolve(path);
  const slug = basename(source)
    .replace(/\.[^.]*$/u, '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-+|-+$/gu, '')
    .slice(0, MAX_NAME);
  const name = slug === '' ? 'suite' : slug;
  const folder = resolve(output, name);
  return isSameOrBelow(folder, source) || isSameOrBelow(source, folder) ? `${name}-suite` : name;
};

const answersOf = async (survey: PathSurvey): Promise<readonly Answer[]> => {
  const answers: Answer[] = [];
  for (const reader of allReaders()) {
    const fit = await reader.detect?.(survey);
    if (fit) answers.push({ reader, fit });
  }
  return answers;
};

/** How a person says what a reader lacks, on the command line. */
const saying = ({ reader, fit }: Answer, name: string): string =>
  fit.fit === 'nearly' && fit.sources
    ? `; say which: --reader ${reader.name} ${(fit.asks ?? []).map((ask) => `--set sources.${name}.${ask}`).join(' or ')}`
    : '';

const listed = (answers: readonly Answer[], name: string): string =>
  answers.map((answer) => `${answer.reader.name} (${answer.fit.reason}${saying(answer, name)})`).join('; ');

const readersNeed = (): string => {
  const needs = allReaders()
    .filter(({ detect }) => detect)
    .map(({ name, needs: need }) => `${name}: ${need}`);
  return `readers need:\n  ${needs.join('\n  ')}`;
};

/** @throws ConfigError for a path that several readers fit, or none */
const chooseAnswer = (
  answers: readonly Answer[],
  survey: PathSurvey,
  context: {
    readonly asked: string | undefined;
    readonly name: string;
    /** What the first file is that is not read, and the remedy. */
    readonly unread: UnreadFile | undefined;
  },
): Answer => {
  const { asked, name, unread } = context;
  const fields = { path: survey.path };
  if (asked !== undefined) {
    const reader = readerNamed(asked);
    const answer = answers.find((each) => each.reader === reader);
    if (answer?.fit.sources) return answer;
    throw new ConfigError(
      `prepare --from ${survey.path}: expected what ${asked} reads (${reader.needs}), got ${answer?.fit.reason ?? `${describeSurvey(survey)}${unread === undefined ? '' : `, of which ${unread.reason}`}`}; ${
        reader.detect
          ? 'give another path, or write a recipe with this source'
          : 'this reader is given by a recipe alone'
      }`,
      { code: 'reader-misfit', fields: { ...fields, reader: asked } },
    );
  }
  for (const wanted of ['published', 'sure', 'likely'] as const) {
    const [first, ...rest] = answers.filter(({ fit }) => fit.fit === wanted);
    if (first && rest.length === 0) return first;
    if (!first) continue;
    throw new ConfigError(
      `prepare --from ${survey.path}: expected one reader that fits, got ${rest.length + 1}: ${listed([first, ...rest], name)}; say which by --reader NAME`,
      {
        code: 'reader-ambiguous',
        fields: { ...fields, readers: [first, ...rest].map(({ reader }) => reader.name) },
      },
    );
  }
  const nearly = answers.length > 0 ? [`nearly: ${listed(answers, name)}`] : [];
  const isToldOf = answers.some(({ fit }) => unread !== undefined && fit.reason.includes(unread.id));
  const causes = [...(unread === undefined || isToldOf ? [] : [unread.reason]), ...nearly];
  // Where the cause is known, a list of everything that is read would bury it.
  const known = causes.length > 0 ? `${causes.join('; ')}; what is read: docs/own-data.md` : readersNeed();
  throw new ConfigError(
    `prepare --from ${survey.path}: expected files that a reader knows, got ${describeSurvey(survey)}; ${known}`,
    { code: 'reader-none', fields },
  );
};

const inputOf = ({ reader, fit }: Answer, name: string): Record<string, unknown> => {
  const settings = fit.sources ?? [];
  const sources = settings.map((each, index) => {
    const part = String(each['dataset'] ?? each['split'] ?? index + 1);
    const key = settings.length === 1 ? name : `${name}-${part}`;
    return [key, { source: reader.name, ...(settings.length === 1 ? {} : { dataset: name }), ...each }];
  });
  return { name, sources: Object.fromEntries(sources) as Record<string, unknown> };
};

/**
 * Looks at a path and makes the recipe that prepares it. Nothing is written.
 * @throws ConfigError where nothing is there; (code `reader-ambiguous`) where several readers fit, with their reasons;
 * (code `reader-none`) where none does, with what each needs; and for settings that don't fit
 */
export const recipeForPath = async (path: string, options: PathRecipeOptions = {}): Promise<PathRecipe> => {
  const survey = await surveyPath(path);
  const answers = await answersOf(survey);
  const { set = [], output = 'data' } = options;
  const name = nameOf(path, output);
  const answer = chooseAnswer(answers, survey, {
    asked: options.reader,
    name,
    unread: answers.some(({ fit }) => fit.fit !== 'nearly') ? undefined : await unreadFile(survey),
  });
  const input = laySettings(prepareSchema(), inputOf(answer, name), set);
  const recipe = parsePrepareRecipe(input);
  return {
    seen: describeSurvey(survey),
    reader: answer.reader.name,
    reason: answer.fit.reason,
    others: answers
      .filter((each) => each !== answer)
      .map(({ reader, fit }) => ({ reader: reader.name, fit: fit.fit, reason: fit.reason })),
    input: input as PathRecipe['input'],
    recipe,
  };
};

/** Longest reason of a reader that is not taken, characters. */
const MAX_REASON = 300;

const shortened = (text: string): string =>
  text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON)}…`;

/** What a person reads of it, in lines; the recipe is the last of them. */
export const describePathRecipe = ({
  seen,
  reader,
  reason,
  others,
  input,
}: PathRecipe): readonly string[] => [
  `seen: ${seen}`,
  `read by ${reader}: ${reason}`,
  ...others.map((other) =>
    other.fit === 'nearly'
      ? `not by ${other.reader}: ${shortened(other.reason)}`
      : `also by ${other.reader}: ${shortened(other.reason)}; --reader ${other.reader} takes it`,
  ),
  JSON.stringify(input, null, 2),
];
