/**
 * Ranks for retrieval where a picture has one text and a text may have several pictures.
 *
 * I pictures · T distinct texts
 */
import { ConfigError } from '@polygate/core';

export interface RetrievalRanks {
  /** [I] rank of each picture's text among all texts, 0 for the first. */
  readonly texts: Int32Array;
  /** [T] rank of the best of each text's pictures among all pictures. */
  readonly pictures: Int32Array;
}

/**
 * @param similarities [I * T], higher is nearer; equal ones rank by index, so that a model for which all are equal finds
 * next to nothing
 * @param textOfPicture [I]
 * @throws ConfigError for similarities that are no numbers
 */
export const retrievalRanks = (
  similarities: Float32Array,
  textOfPicture: Int32Array,
  texts: number,
): RetrievalRanks => {
  if (similarities.some(Number.isNaN)) {
    throw new ConfigError(
      'retrieval: expected similarities that are numbers, got NaN; has the model diverged?',
      {
        code: 'nan-score',
      },
    );
  }
  const pictures = textOfPicture.length;
  const at = (picture: number, text: number): number => similarities[picture * texts + text] ?? 0;
  const ofTexts = Int32Array.from(textOfPicture, (own, picture) => {
    const value = at(picture, own);
    let rank = 0;
    for (let text = 0; text < texts; text += 1) {
      const other = at(picture, text);
      if (other > value || (other === value && text < own)) rank += 1;
    }
    return rank;
  });
  const ofPictures = new Int32Array(texts).fill(pictures);
  textOfPicture.forEach((text, own) => {
    const value = at(own, text);
    let rank = 0;
    for (let picture = 0; picture < pictures; picture += 1) {
      const other = at(picture, text);
      if (other > value || (other === value && picture < own)) rank += 1;
    }
    ofPictures[text] = Math.min(ofPictures[text] ?? pictures, rank);
  });
  return { texts: ofTexts, pictures: ofPictures };
};
