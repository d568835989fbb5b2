/** What lists say of clips -> samples: one for each clip that is there; those that are not are counted and told of once. */
import { ConfigError, excerpt } from '@polygate/core';
import type { LinkOptions } from '../files/folder-listing.ts';
import { requireFolder } from '../files/paths.ts';
import { CLIP } from '../kinds/clip-rows.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { orderSplits } from '../splits/split-names.ts';
import { listClips, listedContent, type ClipFiles } from '../video/clip-files.ts';
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

/** Rows of one clip as one: captions after each other, in the order of the list. */
const joinRows = (rows: readonly ListedRow[]): readonly ListedRow[] => {
  const joined = new Map<string, ListedRow>();
  for (const row of rows) {
    const key = `${row.split ?? ''}\n${row.clip}`;
    const known = joined.get(key);
    joined.set(key, known ? { ...known, texts: [...(known.texts ?? []), ...(row.texts ?? [])] } : row);
  }
  return [...joined.values()];
};

const requireSome = (
  found: number,
  rows: readonly ListedRow[],
  options: ListedClipsOptions,
  files: ClipFiles,
): void => {
  if (found > 0 || rows.length === 0) return;
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
  const listed = joinRows(rows.filter((row): row is ListedRow => !('reason' in row)));
  const there = listed.flatMap((row) => {
    const clip = files.find(row.clip);
    return clip ? [{ row, clip }] : [];
  });
  requireSome(there.length, listed, options, files);
  if (files.hasVideos) await requireFfmpeg(programs);
  const missing = listed.length - there.length;
  const example = listed.find(({ clip }) => !files.find(clip))?.clip ?? '';
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
      for (const { row, clip } of there) {
        const { clip: _, ...rest } = row;
        const content = await listedContent(clip, videos, options);
        yield { kind: 'sample', id: clip.id, contents: { [CLIP]: content }, ...rest };
      }
    },
  };
};
