/** Whether JSON files are annotations of COCO. */
import { readFile, stat } from 'node:fs/promises';
import { parseJson, PolygateError } from '@polygate/core';
import { firstField, isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import { namedImages } from '../survey/named-images.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import { someOf, splitSources, type FittingFile } from '../survey/split-sources.ts';
import type { ReaderFit } from './dataset-reader.ts';

/** Largest file that is parsed to see what it holds. */
const MAX_BYTES = 64 << 20;
const MAX_FILES = 8;
const MAX_NAMES = 20;

const listOf = (document: JsonFields, key: string): readonly unknown[] => {
  const value = Object.hasOwn(document, key) ? document[key] : undefined;
  return Array.isArray(value) ? value : [];
};

const readDocument = async (path: string): Promise<JsonFields | undefined> => {
  if ((await stat(path)).size > MAX_BYTES) return undefined;
  try {
    const document = parseJson(await readFile(path), path, { nonFinite: 'null' });
    return isJsonFields(document) ? document : undefined;
  } catch (error) {
    if (error instanceof PolygateError) return undefined;
    throw error;
  }
};

type Fitting = FittingFile & { readonly kind: string };

/** Its reading of the JSON files that list images and annotations. */
export const cocoFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const fitting: Fitting[] = [];
  let nearly: string | undefined;
  const files = survey.files.filter(({ extension }) => extension === '.json');
  for (const file of files.slice(0, MAX_FILES)) {
    const head = Buffer.from(await survey.head(file.id)).toString('utf8');
    if (!/^\uFEFF?\s*\{/u.test(head) || !/"(?:images|annotations|info)"\s*:/u.test(head)) continue;
    const document = await readDocument(survey.at(file.id));
    if (!document) {
      nearly ??= `${file.id} begins as annotations do, but is not JSON or larger than ${MAX_BYTES} bytes`;
      continue;
    }
    const names = listOf(document, 'images')
      .slice(0, MAX_NAMES)
      .flatMap((image) => {
        const name = isJsonFields(image) ? firstField(image, ['file_name']) : undefined;
        return typeof name === 'string' ? [name] : [];
      });
    const annotations = listOf(document, 'annotations').slice(0, MAX_NAMES);
    if (names.length === 0 || annotations.length === 0) continue;
    const has = (key: string): boolean =>
      annotations.some((each) => isJsonFields(each) && each[key] !== undefined);
    const kind = has('caption') ? 'captioned-image' : has('category_id') ? 'labelled-image' : undefined;
    if (!kind) continue;
    const matches = namedImages(survey, names);
    if (!matches) {
      nearly ??= `${file.id} lists images such as ${names[0] ?? ''}, which are not there: give the folder that holds both`;
      continue;
    }
    const settings = { annotations: survey.at(file.id), images: survey.at(matches.folder), kind };
    fitting.push({ id: file.id, name: file.name, settings, kind });
  }
  const [first] = fitting;
  if (!first) return nearly === undefined ? undefined : { fit: 'nearly', reason: nearly };
  // Beside captions, the boxes of the same images are left alone.
  const kind = fitting.some((each) => each.kind === 'captioned-image') ? 'captioned-image' : first.kind;
  const sources = splitSources(fitting.filter((each) => each.kind === kind));
  if ('unclear' in sources) {
    return {
      fit: 'nearly',
      reason: `${sources.unclear.length} files of annotations fit (${someOf(sources.unclear)}) and their names do not say their splits: give the path of one of them`,
    };
  }
  const said = kind === 'captioned-image' ? 'captions' : 'categories';
  return { fit: 'sure', reason: `${first.id} lists images and their ${said} as COCO does`, sources };
};
