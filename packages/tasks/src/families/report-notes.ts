/** Sentences below a report that families share. */

/** How `shrunkImages` are compared. */
export const NEAREST_NOTE =
  'The nearest training image (of clips the nearest middle frame) is the nearest after both are shrunk to 16 x 16 pixels (Euclidean).';

export const MAJORITY_NOTE = 'Baselines of classes: majority answers the most frequent training class.';

export const FEATURES_NOTE =
  'Simple systems of samples of several inputs look at their numbers side by side (at most 512; longer arrays are averaged in stretches), standardised, with the training mean in gaps: nearestNeighbour answers what the nearest training sample has, ridge is ridge regression (alpha 1; of classes and labels one against the rest).';
