/** A table of clips and captions, one caption a row. */
import { basename } from 'node:path';
import { requireFile } from '../files/paths.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import type { Fault, Reader } from '../samples/sample.ts';
import { clipFolder } from '../survey/named-clips.ts';
import { tableFit } from '../survey/table-fit.ts';
import { captionedRow } from '../tables/captioned-row.ts';
import { captionColumns, clipColumns, columnIn } from '../tables/column-names.ts';
import { tableSplits } from '../tables/table-splits.ts';
import { openTable, type TableOptions } from '../tables/table.ts';
import { captionColumn, clipColumn } from '../tables/wanted-columns.ts';
import { isVideoName } from '../video/clip-names.ts';
import type { VideoPrograms } from '../video/ffmpeg.ts';
import { defineReader } from './dataset-reader.ts';
import { openListedClips, type ListedRow } from './listed-clips.ts';
import {
  columnSetting,
  linksSetting,
  splitColumnOf,
  splitColumnSetting,
  tableSettings,
  textSetting,
} from './reader-settings.ts';

export interface VideoCaptionsCsvOptions extends LinkOptions, TableOptions {
  /** The table, with a header line unless `header` is false. */
  readonly file: string;
  /** Folder of the clips. */
  readonly videos: string;
  /** By name or index. @default the first of video, clip, video_id and the like; without a header the first */
  readonly clipColumn?: string | number;
  /** By name or index. @default the first of caption, text, sentence and the like; without a header the last */
  readonly captionColumn?: string | number;
  /** Column of what clips belong together by, such as the video that they were cut from: its clips are on one side of a split. */
  readonly groupColumn?: string | number;
  /** Column that names the split of a row; `''` for none. @default one whose values name splits */
  readonly splitColumn?: string | number;
  readonly programs?: VideoPrograms;
}

/**
 * Reads a table of clips and captions; rows of one clip are one sample. Clips that are not there are counted and told of.
 * @throws ConfigError for missing files and columns, and where none of the clips is there
 */
export const openVideoCaptionsCsv = async (options: VideoCaptionsCsvOptions): Promise<Reader> => {
  const { file, groupColumn } = options;
  await requireFile(file, 'captions file');
  const wanted = [clipColumn(options.clipColumn), captionColumn(options.captionColumn)] as const;
  const table = await openTable(file, options, wanted);
  const [clip, caption] = [table.column(wanted[0]), table.column(wanted[1])];
  const group =
    groupColumn === undefined
      ? undefined
      : table.column({ role: 'group', option: 'groupColumn', given: groupColumn });
  const splits = await tableSplits(table, options.splitColumn, [clip, caption]);
  const layout = { name: clip, caption, split: splits.followed ? splits.index : -1 };
  const rows: (ListedRow | Fault)[] = [];
  for await (const item of table.rows()) {
    const row = captionedRow(item, layout, 'clip');
    if ('code' in row) {
      rows.push(row);
      continue;
    }
    const { name, captions, split } = row;
    const together = item.kind === 'record' && group !== undefined ? (item.fields[group]?.trim() ?? '') : '';
    rows.push({
      clip: name,
      texts: captions,
      ...(split === undefined ? {} : { split }),
      ...(together === '' ? {} : { group: together }),
    });
  }
  return openListedClips(rows, { ...options, name: basename(file), notes: splits.notes });
};

export const videoCaptionsCsvReader = defineReader({
  name: 'video-captions-csv',
  summary: 'a table of clips and captions, one caption a row (pandas)',
  needs: 'a table with a column of names of clips, one of captions, and the folder of the clips',
  settings: {
    file: textSetting,
    videos: textSetting,
    clipColumn: columnSetting.optional(),
    captionColumn: columnSetting.optional(),
    groupColumn: columnSetting.optional(),
    splitColumn: splitColumnSetting,
    ...tableSettings,
    links: linksSetting,
  },
  kinds: ['captioned-video'],
  paths: { file: 'all', videos: 'all' },
  open: async (settings, { within }) => ({
    reader: await openVideoCaptionsCsv({ ...settings, within, ...splitColumnOf(settings) }),
    kind: 'captioned-video',
  }),
  detect: (survey) =>
    tableFit(survey, ({ header, rows }) => {
      const [clip, caption] = [columnIn(header, clipColumns), columnIn(header, captionColumns)];
      if (clip < 0 || caption < 0 || clip === caption) return undefined;
      const names = rows.map((row) => row[clip] ?? '').filter((name) => name !== '');
      // A column called file may as well be one of images.
      if (!/video|clip/iu.test(header[clip] ?? '') && !names.some(isVideoName)) return undefined;
      const columns = `has the columns ${header[clip] ?? ''} (clips) and ${header[caption] ?? ''} (captions)`;
      const videos = clipFolder(survey, names);
      return videos === undefined
        ? { nearly: `${columns}, but no clip is called ${names[0] ?? ''}: give the folder that holds both` }
        : { settings: { videos }, reason: `${columns}, and clips are called so` };
    }),
});
