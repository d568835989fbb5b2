/** The columns that tables of images, clips, captions and labels have, as several readers want them. */
import { captionColumns, clipColumns, imageColumns, labelColumns } from './column-names.ts';
import type { WantedColumn } from './table.ts';

/** What a setting says of a column. */
type Given = WantedColumn['given'];

/** Names of images; the first column where none has a name. */
export const imageColumn = (given: Given): WantedColumn => ({
  role: 'image',
  option: 'imageColumn',
  given,
  usual: imageColumns,
  position: 0,
});

/** Names of clips; the first column where none has a name. */
export const clipColumn = (given: Given): WantedColumn => ({
  role: 'clip',
  option: 'clipColumn',
  given,
  usual: clipColumns,
  position: 0,
});

/** Captions; the last column where none has a name. */
export const captionColumn = (given: Given): WantedColumn => ({
  role: 'caption',
  option: 'captionColumn',
  given,
  usual: captionColumns,
  position: -1,
});

/** Labels; the last column where none has a name. */
export const labelColumn = (given: Given): WantedColumn => ({
  role: 'label',
  option: 'labelColumn',
  given,
  usual: labelColumns,
  position: -1,
});
