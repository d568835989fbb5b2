/** Kinetics as it is given out: a table of labels and stretches of YouTube videos, and a folder of what was fetched of them. */
import { basename } from 'node:path';
import { requireFile } from '../files/paths.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { withClasses } from '../samples/class-renames.ts';
import { fault, type Fault, type Reader } from '../samples/sample.ts';
import { canonicalSplit } from '../splits/split-names.ts';
import { openTable, type WantedColumn } from '../tables/table.ts';
import type { VideoPrograms } from '../video/ffmpeg.ts';
import { ConfigError } from '@polygate/core';
import { tableFit } from '../survey/table-fit.ts';
import { clipFolder } from '../survey/named-clips.ts';
import { defineReader } from './dataset-reader.ts';
import { openListedClips, type ListedRow } from './listed-clips.ts';
import { classSettings, linksSetting, textSetting } from './reader-settings.ts';

export interface KineticsOptions extends LinkOptions {
  /** `label,youtube_id,time_start,time_end,split`, with or without further columns. */
  readonly file: string;
  /** Folder of the clips, `ID_START_END.mp4`, in folders of classes or beside each other. */
  readonly videos: string;
  /** Split of all rows: the column is then not followed. */
  readonly split?: string;
  /** Class names in label order. @default the labels that occur, in code-unit order */
  readonly classes?: readonly string[];
  readonly programs?: VideoPrograms;
}

const column = (role: string, usual: readonly string[]): WantedColumn => ({
  role,
  option: 'file',
  given: undefined,
  usual,
});
const columns = {
  id: column('video', ['youtube_id']),
  start: column('start', ['time_start']),
  end: column('end', ['time_end']),
};
const LABELS = ['label', 'action', 'class'];

/** Seconds as names of clips have them: `000012`. */
const seconds = (cell: string): string | undefined => {
  const value = Number(cell);
  return cell.trim() !== '' && Number.isFinite(value) && value >= 0
    ? String(Math.trunc(value)).padStart(6, '0')
    : undefined;
};

/** Name of a clip, as the scripts that fetch Kinetics call it: `ID_000012_000022`. */
const kineticsName = (id: string, start: string, end: string): string | undefined => {
  const [from, to] = [seconds(start), seconds(end)];
  return id === '' || from === undefined || to === undefined ? undefined : `${id}_${from}_${to}`;
};

/**
 * Reads a table of Kinetics. Clips that were not fetched are counted and told of; rows without label, as the test split
 * of some versions has them, are left out.
 * @throws ConfigError for missing files and columns, where no row has a label, and where none of the clips is there
 */
export const openKinetics = async (options: KineticsOptions): Promise<Reader> => {
  const { file } = options;
  await requireFile(file, 'Kinetics table');
  const table = await openTable(file, {}, Object.values(columns));
  const at = {
    id: table.column(columns.id),
    start: table.column(columns.start),
    end: table.column(columns.end),
    label: table.columns.findIndex((name) => LABELS.includes(name.trim().toLowerCase())),
    split: table.columns.findIndex((name) => name.trim().toLowerCase() === 'split'),
  };
  const rows: (Omit<ListedRow, 'label'> & { readonly name: string })[] = [];
  const faults: Fault[] = [];
  let unlabelled = 0;
  for await (const item of table.rows()) {
    const id = `line ${item.line}`;
    if (item.kind === 'bad-record') {
      faults.push(fault(id, item.code, item.reason));
      continue;
    }
    const cell = (index: number): string => item.fields[index]?.trim() ?? '';
    const clip = kineticsName(cell(at.id), cell(at.start), cell(at.end));
    const name = cell(at.label).normalize('NFC');
    const split = options.split === undefined ? canonicalSplit(cell(at.split)) : undefined;
    if (clip === undefined)
      faults.push(
        fault(
          id,
          'bad-times',
          `expected a video and two times in seconds, got ${cell(at.id)}, ${cell(at.start)}, ${cell(at.end)}`,
        ),
      );
    else if (name === '') unlabelled += 1;
    else rows.push({ clip, name, group: cell(at.id), ...(split === undefined ? {} : { split }) });
  }
  if (rows.length === 0) {
    throw new ConfigError(
      `Kinetics ${file}: expected rows with a label, got none in ${unlabelled + faults.length} rows; give the table of a split that has labels`,
      { code: 'no-labels', fields: { file } },
    );
  }
  const classes = options.classes ?? [...new Set(rows.map(({ name }) => name))].sort();
  const listed = rows.map(({ name, ...row }): ListedRow | Fault => {
    const label = classes.indexOf(name);
    return label < 0
      ? fault(row.clip, 'unknown-label', `expected one of ${classes.slice(0, 8).join(', ')}, got "${name}"`)
      : { ...row, label };
  });
  return openListedClips([...faults, ...listed], {
    ...options,
    name: basename(file),
    classes,
    notes: unlabelled > 0 ? [`${unlabelled} rows without label are left out`] : [],
  });
};

export const kineticsReader = defineReader({
  name: 'kinetics',
  summary: 'Kinetics as it is given out: a table of labels and times, and the folder of the clips',
  needs: 'a table with the columns label, youtube_id, time_start and time_end, and the folder of the clips',
  settings: {
    file: textSetting,
    videos: textSetting,
    ...classSettings,
    links: linksSetting,
  },
  kinds: ['labelled-video'],
  paths: { file: 'all', videos: 'all' },
  async open(settings, { within }) {
    const reader = await openKinetics({ ...settings, within });
    return { kind: 'labelled-video', ...withClasses(reader, settings) };
  },
  detect: (survey) =>
    tableFit(
      survey,
      ({ header, rows }) => {
        const names = header.map((name) => name.trim().toLowerCase());
        const [id, start, end, label] = ['youtube_id', 'time_start', 'time_end', 'label'].map((name) =>
          names.indexOf(name),
        ) as [number, number, number, number];
        if (Math.min(id, start, end) < 0) return undefined;
        if (label < 0) return { nearly: 'videos and times of Kinetics, but no column of labels' };
        const clips = rows.flatMap(
          (row) => kineticsName(row[id] ?? '', row[start] ?? '', row[end] ?? '') ?? [],
        );
        const videos = clipFolder(survey, clips);
        return videos === undefined
          ? {
              nearly: `labels and times of Kinetics, but no clip is called ${clips[0] ?? ''}: give the folder that holds both`,
            }
          : { settings: { videos }, reason: 'has labels and times of Kinetics, and clips are called so' };
      },
      'published',
    ),
});
