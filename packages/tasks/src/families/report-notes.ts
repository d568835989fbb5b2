/** Sentences below a report that families share. */

/** How `shrunkImages` are compared. */
export const NEAREST_NOTE =
  'The nearest training image (of clips the nearest middle frame) is the nearest after both are shrunk to 16 x 16 pixels (Euclidean).';

export const MAJORITY_NOTE = 'Baselines of classes: majority answers the most frequent training class.';
