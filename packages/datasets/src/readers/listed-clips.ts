/** What lists say of clips -> samples: one for each clip that is there; those that are not are counted and told of once. */
import { ConfigError, excerpt } from '@polygate/core';
import type { LinkOptions } from '../files/folder-listing.ts';
import { requireFolder } from '../files/paths.ts';
import { CLIP } from '../kinds/clip-rows.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { orderSplits } from '../splits/split-names.ts';
import { listClips, listedContent, type ClipFiles, type ListedClip } from '../video/clip-files.ts';
import { requireFfmpeg, type VideoPrograms } from '../video/ffmpeg.ts';

/** What a list says of one clip. */
export interface ListedRow extends Pick<Sample, 'texts' | 'label' | 'split' | 'group'> {
  /** As the list calls it, with or without ending. */
  readonly clip: string;
}

export interface ListedClipsOptions extends LinkOptions {
  /** Stands in errors: `captions of MSR-VTT train.json`. */
  readonly name: string;
  /** Folder that the clips lie in, at any depth. */
  readonly videos: string;
  readonly classes?: readonly string[];
  readonly programs?: VideoPrograms;
  /** Further notes. */
  readonly notes?: readonly string[];
}

/** A row with the clip that it names; without one where that is not there. */
interface FoundRow {
  readonly row: ListedRow;
  readonly clip?: ListedClip;
  /** Whether rows of it have labels that differ. @default false */
  readonly disagree?: boolean;
}

/** Rows of one clip as one, however they spell its name: captions after each other, in the order of the list. */
const joinRows = (rows: readonly ListedRow[], files: ClipFiles): readonly FoundRow[] => {
  const joined = new Map<string, FoundRow>();
  for (const row of rows) {
    const clip = files.find(row.clip);
    const key = `${row.split ?? ''}\n${clip ? `clip ${clip.id}` : `name ${row.clip}`}`;
    const earlier = joined.get(key);
    if (!earlier) joined.set(key, { row, ...(clip ? { clip } : {}) });
    else {
      const texts = [...(earlier.row.texts ?? []), ...(row.texts ?? [])];
      const disagree = earlier.disagree === true || earlier.row.label !== row.label;
      joined.set(key, {
        ...earlier,
        disagree,
        row: { ...earlier.row, ...(texts.length > 0 ? { texts } : {}) },
      });
    }
  }
  return [...joined.values()];
};

const requireSome = (
  count: number,
  rows: readonly ListedRow[],
  options: ListedClipsOptions,
  files: ClipFiles,
): void => {
  if (count > 0 || rows.length === 0) return;
  throw new ConfigError(
    `${options.name}: expected clips such as ${excerpt(rows[0]?.clip ?? '')} in ${options.videos}, got none of ${rows.length} among ${files.size} clips there; give the folder of the videos, and call them as the list does`,
    { code: 'no-clips', fields: { path: options.videos } },
  );
};

/**
 * A reader of clips that a list names.
 * @param rows of the list, and what is wrong with it
 * @throws ConfigError for a missing folder, where no clip of the list is there, and for video files without ffmpeg
 */
export const openListedClips = async (
  rows: readonly (ListedRow | Fault)[],
  options: ListedClipsOptions,
): Promise<Reader> => {
  const { name, videos, classes, programs, notes = [] } = options;
  await requireFolder(videos, 'videos');
  const files = await listClips(videos, options);
  const faults = rows.filter((row): row is Fault => 'reason' in row);
  const given = rows.filter((row): row is ListedRow => !('reason' in row));
  const listed = joinRows(given, files);
  const there = listed.flatMap(({ clip, ...rest }) => (clip ? [{ ...rest, clip }] : []));
  requireSome(
    there.length,
    listed.map(({ row }) => row),
    options,
    files,
  );
  if (files.hasVideos) await requireFfmpeg(programs);
  const missing = listed.length - there.length;
  const example = listed.find(({ clip }) => !clip)?.row.clip ?? '';
  const told = `${missing} of ${listed.length} clips are not in the folder of the videos, ${excerpt(example, 80)} among them`;
  const splits = orderSplits(there.flatMap(({ row }) => row.split ?? []));
  const all = [...notes, ...(missing > 0 ? [`${told}: they are left out`] : [])];
  return {
    name,
    ...(classes ? { classes } : {}),
    ...(splits.length > 0 ? { splits } : {}),
    ...(all.length > 0 ? { notes: all } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      yield* faults;
      if (missing > 0) yield fault(name, 'not-fetched', `expected a clip for each row, got ${told}`);
      for (const { row, clip, disagree } of there) {
        if (disagree) {
          yield fault(clip.id, 'several-labels', 'expected one label for a clip, got rows with others');
          continue;
        }
        const { clip: _, ...rest } = row;
        const content = await listedContent(clip, videos, options);
        yield { kind: 'sample', id: clip.id, contents: { [CLIP]: content }, ...rest };
      }
    },
  };
};
