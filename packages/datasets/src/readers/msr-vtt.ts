/** Captions of videos in the JSON of MSR-VTT (Xu et al., 2016): a list of videos, and a list of sentences about them. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, excerpt, FormatError, overBudget, parseJson, resolveBudgets } from '@polygate/core';
import type { LinkOptions } from '../files/folder-listing.ts';
import { requireFile } from '../files/paths.ts';
import { isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import { fault, type Fault, type Reader } from '../samples/sample.ts';
import { canonicalSplit } from '../splits/split-names.ts';
import { clipFolder } from '../survey/named-clips.ts';
import type { VideoPrograms } from '../video/ffmpeg.ts';
import { defineReader } from './dataset-reader.ts';
import { openListedClips, type ListedRow } from './listed-clips.ts';
import { linksSetting, textSetting } from './reader-settings.ts';

export interface MsrVttOptions extends LinkOptions {
  /** JSON with `videos: [{ video_id, split, url }]` and `sentences: [{ video_id, caption }]`. */
  readonly file: string;
  /** Folder of the videos, called `video0.mp4` and so on. */
  readonly videos: string;
  /** Split of all videos: those that they name are then not followed. */
  readonly split?: string;
  /** `jsonBytes` bounds the file in memory. @default those of core */
  readonly budgets?: Partial<Budgets>;
  readonly programs?: VideoPrograms;
}

const listOf = (document: unknown, key: string, file: string): readonly unknown[] => {
  const value = isJsonFields(document) ? document[key] : undefined;
  if (Array.isArray(value)) return value;
  throw new FormatError(
    `MSR-VTT ${file}: expected a list "${key}", got ${isJsonFields(document) ? `the keys ${excerpt(Object.keys(document))}` : excerpt(document)}; give a file such as train_val_videodatainfo.json`,
    { code: 'msr-vtt-layout', fields: { file, key } },
  );
};

const textOf = (fields: JsonFields, key: string): string => {
  const value = Object.hasOwn(fields, key) ? fields[key] : undefined;
  return typeof value === 'string' ? value.trim() : '';
};

/** What clips of one video share: several stretches of it may be there. */
const groupOf = (video: JsonFields): string => textOf(video, 'url');

const rowsOf = (document: unknown, { file, split: given }: MsrVttOptions): readonly (ListedRow | Fault)[] => {
  const faults: Fault[] = [];
  const videos = new Map<
    string,
    { readonly split?: string; readonly group?: string; readonly texts: string[] }
  >();
  for (const [index, video] of listOf(document, 'videos', file).entries()) {
    const id = isJsonFields(video) ? textOf(video, 'video_id') : '';
    if (!isJsonFields(video) || id === '') {
      faults.push(
        fault(`video #${index}`, 'bad-json', `expected an object with "video_id", got ${excerpt(video)}`),
      );
      continue;
    }
    const split = given === undefined ? canonicalSplit(textOf(video, 'split')) : undefined;
    const group = groupOf(video);
    videos.set(id, {
      texts: [],
      ...(split === undefined ? {} : { split }),
      ...(group === '' ? {} : { group }),
    });
  }
  for (const [index, sentence] of listOf(document, 'sentences', file).entries()) {
    const id = isJsonFields(sentence) ? textOf(sentence, 'video_id') : '';
    const caption = isJsonFields(sentence) ? textOf(sentence, 'caption') : '';
    const video = videos.get(id);
    const name = `sentence #${index}`;
    if (!video)
      faults.push(fault(name, 'unknown-video', `expected the video_id of a video, got ${excerpt(id)}`));
    else if (caption === '')
      faults.push(fault(name, 'empty-caption', 'expected a caption, got an empty text'));
    else video.texts.push(caption);
  }
  const rows = [...videos].map(([clip, { texts, ...video }]): ListedRow | Fault =>
    texts.length === 0
      ? fault(clip, 'no-caption', 'expected at least one sentence, got none')
      : { clip, texts, ...video },
  );
  return [...faults, ...rows];
};

/**
 * Reads the captions of MSR-VTT and of files of the same form. Videos that are not there are counted and told of.
 * @throws ConfigError for missing files, FormatError for JSON of another layout
 */
export const openMsrVtt = async (options: MsrVttOptions): Promise<Reader> => {
  const { file } = options;
  await requireFile(file, 'MSR-VTT file');
  const { jsonBytes } = resolveBudgets(options.budgets);
  const bytes = await readFile(file);
  if (bytes.length > jsonBytes)
    throw new FormatError(`MSR-VTT ${file}: ${overBudget('jsonBytes', jsonBytes, bytes.length)}`);
  return openListedClips(rowsOf(parseJson(bytes, `MSR-VTT ${file}`), options), {
    ...options,
    name: basename(file),
  });
};

export const msrVttReader = defineReader({
  name: 'msr-vtt',
  summary: 'captions of videos in the JSON of MSR-VTT: videos, and sentences about them',
  needs: 'a JSON file with the lists videos and sentences, and the folder of the videos',
  settings: { file: textSetting, videos: textSetting, links: linksSetting },
  kinds: ['captioned-video'],
  paths: { file: 'all', videos: 'all' },
  open: async (settings, { within, budgets }) => ({
    reader: await openMsrVtt({ ...settings, within, budgets }),
    kind: 'captioned-video',
  }),
  async detect(survey) {
    for (const file of survey.files.filter(({ extension }) => extension === '.json')) {
      const head = Buffer.from(await survey.head(file.id)).toString('utf8');
      const isLayout = /"sentences"\s*:/u.test(head) || /"videos"\s*:/u.test(head);
      const clips = [...head.matchAll(/"video_id"\s*:\s*"([^"]{1,200})"/gu)].map(([, id = '']) => id);
      if (!isLayout || clips.length === 0) continue;
      const videos = clipFolder(survey, clips);
      if (videos === undefined) {
        return {
          fit: 'nearly',
          reason: `${file.id} has captions as MSR-VTT, but no clip is called ${clips[0] ?? ''}: give the folder that holds both`,
        };
      }
      return {
        fit: 'published',
        reason: `${file.id} has videos and sentences as MSR-VTT, and clips are called so`,
        sources: [{ file: survey.at(file.id), videos }],
      };
    }
    return undefined;
  },
});
