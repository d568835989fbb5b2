/** The Uni-Perceiver with its similarity head as a record: one encoder for the inputs and targets of every task. */
import { excerpt } from '@polygate/core';
import {
  createUniPerceiver,
  idleSettings,
  modalitySettings,
  presetNamed,
  resolveEncoderConfig,
  temperaturesOf,
  type EncoderShape,
} from '@polygate/encoder';
import { createMergedEncoder, isMergedConfig } from '@polygate/encoder/merged';
import { visual } from '@polygate/modalities';
import { taskFamilyNamed, temperatureOf } from '@polygate/tasks';
import type { ModelArchitecture } from '../architecture.ts';
import { FIRST_ARCHITECTURE, type ModelImage } from '../model-config.ts';
import { z } from 'zod';
import { neededModalities } from '../needed-modalities.ts';
import { describeSettings } from './description.ts';
import { encoderOf } from './encoder-of.ts';
import { uniPerceiverSettings, type UniPerceiverSettings } from './settings.ts';
import { uniPerceiverSize } from './size.ts';
import type { UniPerceiverConfig } from './uni-perceiver-config.ts';
import { modelWithEncoder } from './uni-perceiver-model.ts';

/** Patches of one image: those of 4096 pixels by 8. */
const MAX_PATCHES = 2 ** 18;

/** Patches along the longer side of a model's images. */
const gridOf = ({ height, width }: Pick<ModelImage, 'height' | 'width'>, patch: number): number =>
  Math.max(height, width) / patch;

export const uniPerceiver: ModelArchitecture<UniPerceiverConfig, UniPerceiverSettings> = {
  name: FIRST_ARCHITECTURE,
  summary:
    'one Transformer for inputs and targets of every task, scored by similarity; dense or with experts',
  settings: uniPerceiverSettings,
  /** Checked by the encoder when it is made. */
  config: { encoder: z.record(z.string(), z.unknown()) },
  problemOf({ encoder, image }) {
    // As the file says it, checked or not: under the modality's name, or on the top level.
    const { patch = encoder.patch } = (encoder.modalities?.['visual'] ?? {}) as Pick<EncoderShape, 'patch'>;
    const { size } = (patch ?? {}) as { readonly size?: unknown };
    const side = typeof size === 'number' ? size : Number.NaN;
    const patches = Math.floor(image.height / side) * Math.floor(image.width / side);
    return patches >= 1 && patches <= MAX_PATCHES
      ? undefined
      : {
          expected: `images of 1 to ${MAX_PATCHES} patches`,
          got: `${image.width}x${image.height} pixels by patches of ${excerpt(size)}`,
        };
  },
  configure(settings, { vocabularySize, ...data }) {
    const { image, tasks = [] } = data;
    const sizes = {
      vocabularySize,
      channels: image.channels,
      tasks: tasks.map(({ name }) => name),
      temperatures: tasks.map(({ family }) => temperatureOf(taskFamilyNamed(family))),
      modalities: neededModalities(tasks, {
        image: { ...image, patch: settings.patchSize ?? presetNamed(settings.preset).patch.size },
        vocabularySize,
      }),
    };
    return { ...data, encoder: encoderOf(settings, sizes) };
  },
  /** The paper's images; a suite's vocabulary replaces the preset's when it is trained. */
  standIn({ preset }) {
    const { vocabularySize, patch } = presetNamed(preset);
    return { vocabularySize, image: { height: 224, width: 224, channels: patch.channels } };
  },
  create(config, { tokenizer, random }) {
    const { encoder } = config;
    return modelWithEncoder(
      isMergedConfig(encoder) ? createMergedEncoder(encoder) : createUniPerceiver(encoder, random),
      { config, tokenizer },
    );
  },
  forTasks(config, { tasks, dropPath }) {
    const { encoder } = config;
    const drop = dropPath === undefined ? {} : { dropPath };
    const temperatures = temperaturesOf(encoder);
    const needed = tasks.map(({ family }) => temperatureOf(taskFamilyNamed(family)));
    const all = [...new Set([...temperatures, ...needed])];
    const changes = { ...drop, ...(all.length > temperatures.length ? { temperatures: all } : {}) };
    if (isMergedConfig(encoder)) return { ...config, tasks, encoder: { ...encoder, ...changes } };
    const { moe } = encoder;
    const experts = moe ? { moe: { ...moe, tasks: tasks.map(({ name }) => name) } } : {};
    return { ...config, tasks, encoder: { ...encoder, ...changes, ...experts } };
  },
  idle({ encoder }) {
    if (isMergedConfig(encoder) || !encoder.moe) return [];
    const { moe } = resolveEncoderConfig(encoder);
    return moe ? idleSettings(encoder.moe, moe) : [];
  },
  size: uniPerceiverSize,
  describe: describeSettings,
  /**
   * The factor on the coordinates of patches with which images of another grid span what the start was trained on: what
   * interpolating its positions to the new grid gives.
   */
  settingsOfStart(settings, { start, image }) {
    if (settings.gridScale !== undefined) return {};
    const { patch, gridScale } = modalitySettings((start as UniPerceiverConfig).encoder, visual);
    const patchSize = settings.patchSize ?? presetNamed(settings.preset).patch.size;
    const scale = (gridScale * gridOf(start.image, patch.size)) / gridOf(image, patchSize);
    return scale === 1 ? {} : { gridScale: scale };
  },
};
