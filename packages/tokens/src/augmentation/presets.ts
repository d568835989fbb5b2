/**
 * Augmentations as published (Uni-Perceiver-MoE's code): those of ImageNet by timm's `create_transform`, of image-text pairs,
 * and of video. timm's colour jitter of 0.4 takes no part beside RandAugment.
 */
import type { AugmentationStep } from './augmentation.ts';

const classification: readonly AugmentationStep[] = [
  { kind: 'random-resized-crop' },
  { kind: 'flip' },
  { kind: 'rand-augment' },
  { kind: 'random-erasing' },
];

export const presets = Object.freeze({
  /** ImageNet: random resized crop, flip, rand-m9-mstd0.5-inc1, random erasing 0.25. */
  classification,
  /** The same with mixup 0.8 and CutMix 1.0: the first stage of pre-training. */
  'classification-mixed': [...classification, { kind: 'mix' }],
  /** Image-text pairs: a random crop and a flip. */
  pairs: [{ kind: 'random-crop' }, { kind: 'flip' }],
  /** Clips: the short side of 256 to 320 for 224, a random crop, a flip. */
  video: [{ kind: 'random-crop', resize: [256 / 224, 320 / 224] }, { kind: 'flip' }],
} as const satisfies Readonly<Record<string, readonly AugmentationStep[]>>);

export type AugmentationPreset = keyof typeof presets;
