/**
 * Task signatures and the attribute rows of each segment (Uni-Perceiver-MoE, Table 2 and the look-up table of its
 * appendix). Vocabulary candidates are shared by masked language modelling and captioning, so their signature is the
 * union of both.
 */
import { attributeRow, unionSignature, type AttributeRow, type TaskSignature } from '@polygate/attributes';

const signature = (inputs: readonly string[], targets: readonly string[]): TaskSignature =>
  Object.freeze({ inputs: Object.freeze(inputs), targets: Object.freeze(targets) });

/** An image is described by a text: classification and retrieval. */
export const imageToText: TaskSignature = signature(['visual'], ['text']);
/** Text from text: masked language modelling. */
export const textToText: TaskSignature = signature(['text'], ['text']);
/** An image and the caption so far give its next token: captioning. */
export const imageAndTextToText: TaskSignature = signature(['visual', 'text'], ['text']);

const vocabulary = unionSignature(textToText, imageAndTextToText);

/** Attribute rows of every segment that the families of this package build. */
export const segmentRows: Readonly<
  Record<
    'image' | 'name' | 'caption' | 'maskedText' | 'captionImage' | 'captionText' | 'vocabulary',
    AttributeRow
  >
> = Object.freeze({
  /** Image of classification and retrieval. */
  image: attributeRow(imageToText, { modality: 'visual', causal: false, source: 'input' }),
  /** Class name. */
  name: attributeRow(imageToText, { modality: 'text', causal: false, source: 'target' }),
  /** Caption as retrieval target; the same row as a class name. */
  caption: attributeRow(imageToText, { modality: 'text', causal: false, source: 'target' }),
  maskedText: attributeRow(textToText, { modality: 'text', causal: false, source: 'input' }),
  captionImage: attributeRow(imageAndTextToText, { modality: 'visual', causal: false, source: 'input' }),
  captionText: attributeRow(imageAndTextToText, { modality: 'text', causal: true, source: 'input' }),
  vocabulary: attributeRow(vocabulary, { modality: 'text', causal: false, source: 'target' }),
});
