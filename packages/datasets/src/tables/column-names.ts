/** What columns of tables and fields of JSON lines are usually called, the most usual first. */

/** Of the image's name. */
export const imageColumns: readonly string[] = [
  'image',
  'image_name',
  'filename',
  'file_name',
  'file',
  'path',
  'image_id',
  'image_path',
  'filepath',
  'filepaths',
  'file_path',
  'filenames',
  'image_paths',
  'image_file',
  'img',
  'img_path',
  'photo',
  'picture',
  'id',
];

/** Of the clip's name. */
export const clipColumns: readonly string[] = [
  'video',
  'clip',
  'video_id',
  'clip_id',
  'videoid',
  'video_name',
  'clip_name',
  'video_path',
  'video_file',
  'file_name',
  'filename',
  'file',
  'path',
];

/** Of captions. */
export const captionColumns: readonly string[] = [
  'caption',
  'comment',
  'text',
  'description',
  'title',
  'raw',
  'captions',
  'texts',
  'sentence',
  'sentences',
  'alt_text',
  'prompt',
];

/** Of the label. */
export const labelColumns: readonly string[] = [
  'label',
  'labels',
  'class',
  'class_name',
  'category',
  'target',
  'breed',
  'species',
  'y',
];

const spelling = (name: string): string => name.toLowerCase().replace(/[\s_-]+/gu, '');

/** Index of the first of the usual names among the columns, -1 where there is none. */
export const columnIn = (header: readonly string[], names: readonly string[]): number => {
  const columns = header.map(spelling);
  for (const name of names) {
    const index = columns.indexOf(spelling(name));
    if (index >= 0) return index;
  }
  return -1;
};
