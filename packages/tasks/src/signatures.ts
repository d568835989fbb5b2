/**
 * Task signatures and the attribute rows of each segment (Uni-Perceiver-MoE, Table 2 and the look-up table of its
 * appendix). Vocabulary candidates are shared by masked language modelling and captioning, so their signature is the
 * union of both.
 */
import { attributeRow, taskSignatures, type AttributeRow, type TaskSignature } from '@polygate/attributes';

/** A picture is described by a text: classification and retrieval. */
export const imageToText: TaskSignature = taskSignatures['image-classification'];
/** Text from text: masked language modelling. */
export const textToText: TaskSignature = taskSignatures['masked-language-modelling'];
/** A picture and the words so far give the next word: captioning. */
export const imageAndTextToText: TaskSignature = taskSignatures['image-captioning'];

/** Attribute rows of every segment that the four families build. */
export const segmentRows: Readonly<
  Record<
    'image' | 'name' | 'caption' | 'maskedText' | 'captionImage' | 'captionText' | 'vocabulary',
    AttributeRow
  >
> = Object.freeze({
  /** Picture of classification and retrieval. */
  image: attributeRow(imageToText, { modality: 'visual', causal: false, source: 'input' }),
  /** Class name. */
  name: attributeRow(imageToText, { modality: 'text', causal: false, source: 'target' }),
  /** Caption as retrieval target; the same row as a class name. */
  caption: attributeRow(imageToText, { modality: 'text', causal: false, source: 'target' }),
  maskedText: attributeRow(textToText, { modality: 'text', causal: false, source: 'input' }),
  captionImage: attributeRow(imageAndTextToText, { modality: 'visual', causal: false, source: 'input' }),
  captionText: attributeRow(imageAndTextToText, { modality: 'text', causal: true, source: 'input' }),
  vocabulary: attributeRow(taskSignatures.vocabulary, { modality: 'text', causal: false, source: 'target' }),
});
