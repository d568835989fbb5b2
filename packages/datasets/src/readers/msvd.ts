/**
 * MSVD, the Microsoft Research Video Description Corpus (Chen and Dolan, 2011), as it is given out: lines of a clip and a
 * caption (AllVideoDescriptions.txt), or the corpus table with a language for each caption, and lists of the splits.
 */
import { basename } from 'node:path';
import { requireFile } from '../files/paths.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { fault, type Fault, type Reader } from '../samples/sample.ts';
import { listedStem, listsBeside, readSplitLists, splitOfList } from '../splits/split-lists.ts';
import { clipFolder } from '../survey/named-clips.ts';
import { readLines } from '../tables/lines.ts';
import { openTable } from '../tables/table.ts';
import type { VideoPrograms } from '../video/ffmpeg.ts';
import { z } from 'zod';
import { defineReader } from './dataset-reader.ts';
import { openListedClips, type ListedRow } from './listed-clips.ts';
import { linksSetting, textSetting } from './reader-settings.ts';

export interface MsvdOptions extends LinkOptions {
  /** Lines `ID_START_END caption`, or the table with VideoID, Start, End, Language and Description. */
  readonly file: string;
  /** Folder of the clips, called `ID_START_END.avi`. */
  readonly videos: string;
  /** Lists of the clips of a split each, which their names say. @default those beside the file; none where `split` says one */
  readonly splitFiles?: readonly string[];
  /** Language of the captions that are read of the table. @default 'English' */
  readonly language?: string;
  readonly split?: string;
  readonly programs?: VideoPrograms;
}

/** A clip and a caption: ids have no space, and end in two times. */
const LINE = /^(\S+_\d+_\d+)\s+(\S.*)$/u;

/** The video that a clip was cut from: its id without the times. */
const videoOf = (clip: string): string => clip.replace(/_\d+_\d+$/u, '');

const isTable = (line: string): boolean => /^"?VideoID"?\s*[,;\t]/iu.test(line);

/** The first line that is neither empty nor a remark. */
const firstLine = async (file: string): Promise<string> => {
  for await (const line of readLines(file)) {
    if (line.kind === 'line' && line.text.trim() !== '' && !line.text.startsWith('#')) return line.text;
  }
  return '';
};

async function* lineRows(file: string): AsyncGenerator<ListedRow | Fault> {
  for await (const line of readLines(file)) {
    const id = `line ${line.number}`;
    if (line.kind === 'bad-line') yield fault(id, line.code, line.reason);
    else if (line.text.trim() !== '' && !line.text.startsWith('#')) {
      const [, clip, caption] = LINE.exec(line.text.trim()) ?? [];
      if (clip === undefined || caption === undefined)
        yield fault(id, 'bad-line', `expected a clip and a caption, got "${line.text.slice(0, 80)}"`);
      else yield { clip, texts: [caption.trim()], group: videoOf(clip) };
    }
  }
}

async function* tableRows(file: string, language: string): AsyncGenerator<ListedRow | Fault> {
  const wanted = ['VideoID', 'Start', 'End', 'Language', 'Description'].map((name) => ({
    role: name,
    option: 'file',
    given: name,
  }));
  const table = await openTable(file, { quotes: 'csv' }, wanted);
  const [id, start, end, spoken, text] = wanted.map((column) => table.column(column));
  for await (const item of table.rows()) {
    const name = `line ${item.line}`;
    if (item.kind === 'bad-record') {
      yield fault(name, item.code, item.reason);
      continue;
    }
    const cell = (index: number | undefined): string => item.fields[index ?? -1]?.trim() ?? '';
    // Captions of other languages, and clips that nobody described, are no fault.
    if (cell(spoken).toLowerCase() !== language.toLowerCase() || cell(text) === '') continue;
    yield { clip: `${cell(id)}_${cell(start)}_${cell(end)}`, texts: [cell(text)], group: cell(id) };
  }
}

/**
 * Reads the captions of MSVD and of lists of the same form. Clips that are not there, and clips in no list of a split,
 * are counted and told of.
 * @throws ConfigError for missing files, lists whose names say no split, and where none of the clips is there
 */
export const openMsvd = async (options: MsvdOptions): Promise<Reader> => {
  const { file, language = 'English' } = options;
  await requireFile(file, 'MSVD file');
  const lists = options.splitFiles ?? (options.split === undefined ? await listsBeside(file) : []);
  const splits = await readSplitLists(lists);
  const rows: (ListedRow | Fault)[] = [];
  const unlisted = new Set<string>();
  const source = isTable(await firstLine(file)) ? tableRows(file, language) : lineRows(file);
  for await (const row of source) {
    if ('reason' in row || splits.size === 0) rows.push(row);
    else {
      const split = splits.get(listedStem(row.clip));
      if (split === undefined) unlisted.add(row.clip);
      else rows.push({ ...row, split });
    }
  }
  if (unlisted.size > 0)
    rows.push(
      fault(
        basename(file),
        'no-split',
        `expected each clip in a list of a split, got ${unlisted.size} in none, ${[...unlisted][0] ?? ''} among them`,
      ),
    );
  return openListedClips(rows, {
    ...options,
    name: basename(file),
    notes:
      lists.length > 0 && !options.splitFiles
        ? [`splits are those of the lists ${lists.map((list) => basename(list)).join(', ')}`]
        : [],
  });
};

export const msvdReader = defineReader({
  name: 'msvd',
  summary: 'captions of clips as MSVD gives them out: lines of a clip and a caption, with lists of splits',
  needs:
    'lines of ID_START_END and a caption, or the table with VideoID and Description, and the folder of the clips',
  settings: {
    file: textSetting,
    videos: textSetting,
    /** Lists of the clips of a split each. @default those beside the file */
    splitFiles: z.array(textSetting).optional(),
    language: textSetting.optional(),
    links: linksSetting,
  },
  kinds: ['captioned-video'],
  paths: { file: 'all', videos: 'all', splitFiles: 'all' },
  open: async (settings, { within }) => ({
    reader: await openMsvd({ ...settings, within }),
    kind: 'captioned-video',
  }),
  async detect(survey) {
    for (const file of survey.files) {
      if (!['.txt', '.csv', '.tsv'].includes(file.extension) || splitOfList(file.name) !== undefined)
        continue;
      const lines = ((await survey.lines(file.id)) ?? []).filter((line) => !line.startsWith('#'));
      const clips = isTable(lines[0] ?? '')
        ? lines.slice(1).flatMap((line) =>
            line
              .split(/[,;\t]/u)
              .slice(0, 3)
              .join('_')
              .replaceAll('"', ''),
          )
        : lines.flatMap((line) => LINE.exec(line)?.[1] ?? []);
      if (clips.length === 0 || (!isTable(lines[0] ?? '') && clips.length < lines.length)) continue;
      const videos = clipFolder(survey, clips);
      if (videos === undefined) {
        return {
          fit: 'nearly',
          reason: `${file.id} has captions as MSVD, but no clip is called ${clips[0] ?? ''}: give the folder that holds both`,
        };
      }
      return {
        fit: 'published',
        reason: `${file.id} has captions as MSVD gives them out, and clips are called so`,
        sources: [{ file: survey.at(file.id), videos }],
      };
    }
    return undefined;
  },
});
