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
