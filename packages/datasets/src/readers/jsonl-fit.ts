/** Whether files of JSON lines name images or hold texts. */
import { isImageName } from '../files/paths.ts';
import { firstField, type JsonFields } from '../samples/json-captions.ts';
import { fieldOfImages, imageFields, imageInFields, imageNamesWithin } from '../samples/json-images.ts';
import { namedImages } from '../survey/named-images.ts';
import type { PathSurvey, SurveyedFile } from '../survey/path-survey.ts';
import { textTableVerdict } from '../survey/table-fit.ts';
import { objectRows } from '../survey/surveyed-table.ts';
import { layoutFit, type FittingFile } from '../survey/split-sources.ts';
import { captionColumns, labelColumns } from '../tables/column-names.ts';
import type { ReaderFit } from './dataset-reader.ts';

const MAX_FILES = 24;
const textFields = ['texts', 'captions', 'text', ...captionColumns];

type Fitting = FittingFile & { readonly reason: string };

const judge = (
  survey: PathSurvey,
  file: SurveyedFile,
  rows: readonly JsonFields[],
): Fitting | { readonly nearly: string } | undefined => {
  const has = (keys: readonly string[]): boolean => rows.some((row) => firstField(row, keys) !== undefined);
  const namesIn = (keys: readonly string[]): string[] =>
    rows.flatMap((row) => {
      const value = imageInFields(row, keys);
      return typeof value === 'string' ? [value] : [];
    });
  const usual = namesIn(imageFields);
  const field = usual.some(isImageName) ? undefined : fieldOfImages(rows);
  const named = field === undefined ? usual : namesIn([field]);
  const shared = { id: file.id, name: file.name };
  if (named.some(isImageName)) {
    const images = namedImages(survey, named);
    if (!images) return { nearly: `${file.id} names images such as ${named[0] ?? ''}, which are not there` };
    const kind = has(textFields) ? 'captioned-image' : has(labelColumns) ? 'labelled-image' : undefined;
    if (!kind) return { nearly: `${file.id} names images, but neither captions nor labels` };
    const root = {
      ...(field === undefined ? {} : { imageColumn: field }),
      ...(images.folder === file.folder ? {} : { root: survey.at(images.folder) }),
      ...(images.prefix === undefined ? {} : { prefix: images.prefix }),
    };
    const said = kind === 'captioned-image' ? 'captions' : 'labels';
    return {
      ...shared,
      settings: { file: survey.at(file.id), ...root, kind },
      reason: `${file.id} names images and their ${said}, one JSON object a line`,
    };
  }
  // Read as texts, rows would lose the images that they name.
  const within = rows.flatMap((row) => imageNamesWithin(row));
  if (within.length > 0 && namedImages(survey, within))
    return {
      nearly: `${file.id} names images such as ${within[0] ?? ''}, but not each row names one in a field of its own: put their names into a field "image"`,
    };
  const labelled = textTableVerdict(objectRows(rows));
  if (labelled && !('nearly' in labelled)) {
    const settings = { file: survey.at(file.id), kind: 'labelled-text', ...labelled.settings };
    return { ...shared, settings, reason: `${file.id} ${labelled.reason}, one JSON object a line` };
  }
  if (!has(textFields)) return undefined;
  const reason = `${file.id} holds texts, one JSON object a line`;
  return { ...shared, settings: { file: survey.at(file.id), kind: 'text' }, reason };
};

/** Its reading of the JSON lines among the files. */
export const jsonlFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const files = survey.files.filter(({ name }) => /\.(?:jsonl|ndjson)(?:\.gz)?$/iu.test(name));
  const fitting: Fitting[] = [];
  let nearly: string | undefined;
  for (const file of files.slice(0, MAX_FILES)) {
    const rows = await survey.jsonLines(file.id);
    const verdict = rows ? judge(survey, file, rows) : { nearly: `${file.id} is not one JSON object a line` };
    if (verdict && 'nearly' in verdict) nearly ??= verdict.nearly;
    else if (verdict) fitting.push(verdict);
  }
  // Beside images, a file of this name is a convention with a reader of its own.
  const convention = files.some(({ name }) => /^metadata\.jsonl$/iu.test(name));
  const fit = convention ? 'likely' : 'sure';
  return layoutFit({ fitting, nearly, what: 'files of JSON lines', fit });
};
