import {
  attributeRow,
  type AttributeRow,
  type SegmentAttributes,
  type TaskSignature,
} from '@polygate/attributes';
import { modalityNamed } from './registry.ts';

/**
 * The attribute row of a segment whose task and modality are told by the names of modalities: each counts as the group of
 * bits that its record names, so that a clip and an image have the same.
 * @throws ConfigError for a modality that is not registered, or that the task does not have on that side
 */
export const segmentRow = (signature: TaskSignature, segment: SegmentAttributes): AttributeRow => {
  const groupOf = (name: string): string => modalityNamed(name).attribute;
  return attributeRow(
    { inputs: signature.inputs.map(groupOf), targets: signature.targets.map(groupOf) },
    { ...segment, modality: groupOf(segment.modality) },
  );
};
