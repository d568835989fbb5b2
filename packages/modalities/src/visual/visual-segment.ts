/** Images and clips as segments and sequences. */
import type { AttributeRow } from '@polygate/attributes';
import type { Mixing } from '@polygate/tokens';
import type { Segment, SequenceBatch } from '../segment.ts';
import { joinSegments } from '../sequence-batch.ts';

/** Rows, columns and frames of the patches of one image or clip; rows * columns * frames = patches. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
  /** Images in the sequence, frame after frame; 1 for an image. */
  readonly frames: number;
}

/** A visual segment: the patches of an image or clip. */
export type VisualSegment = Segment<
  {
    /** [B * N * P] normalised; frame after frame, rows from the top, P in the order (y, x, channel). */
    readonly patches: Float32Array;
    /** [B] temporal position of each clip's first frame. @default that of the layout for all */
    readonly startFrames?: Int32Array;
  },
  {
    readonly grid: PatchGrid;
    /** P, values of a patch. */
    readonly patchWidth: number;
    /**
     * Temporal position of the first frame, of all samples. Training draws it from 0 to `maxFrames - frames`, as the
     * published code does: one for each clip, and one for all images of a batch. @default 0, drawn in training
     */
    readonly startFrame?: number;
    /** In training: the first frame that is drawn for all images of a step, or those of each clip. */
    readonly drawnStarts?: () => Int32Array;
  }
>;

/** Patches of a batch of images or clips, before they become a segment. */
export interface ImagePatches {
  /** B */
  readonly size: number;
  /** [B * N * P], normalised values. */
  readonly patches: Float32Array;
  /** N */
  readonly patchCount: number;
  /** P */
  readonly patchWidth: number;
  readonly grid: PatchGrid;
  /** How rows were mixed with others, where they were: their labels are two each. */
  readonly mixing?: Mixing;
}

/** The segment of some images; the patches are borrowed. */
export const visualSegment = (images: ImagePatches, row: AttributeRow): VisualSegment => ({
  modality: 'visual',
  arrays: { patches: images.patches },
  length: images.patchCount,
  layout: { grid: images.grid, patchWidth: images.patchWidth },
  row,
});

/** Whether a segment is visual. */
export const isVisualSegment = (segment: Segment | undefined): segment is VisualSegment =>
  segment?.modality === 'visual';

/** Sequences of one image or clip each; the patches are borrowed. */
export const imageSequences = (images: ImagePatches, row: AttributeRow): SequenceBatch =>
  joinSegments(images.size, [{ segment: visualSegment(images, row) }]);
