import { z } from 'zod';
import { loadSpriteClips, spriteColumns } from '../mini/sprites/sprite-sets.ts';
import { defineReader } from './dataset-reader.ts';

const clips = z.number().int().min(0).max(1e6);

/** Clips of game sprites. */
export const spriteClipsReader = defineReader({
  name: 'sprite-clips',
  summary: 'clips of enemies and avatars of a game by action or direction, from a Debian package',
  needs: 'no path: its data comes as a Debian package',
  settings: {
    /** What is to be told of a clip: what the unit does, or where it faces. */
    label: z.enum(['action', 'direction']).default('action'),
    /** Clips of avatars in training, in validation, and of held-out pairs of weapon and outfit. */
    avatars: clips.default(5000),
    validation: clips.default(200),
    unseen: clips.default(500),
    seed: z.number().int().min(0).default(1),
  },
  kinds: ['labelled-video'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['flare'],
  async open(settings, { key, packages }) {
    const set = await loadSpriteClips(settings, packages);
    return {
      name: key,
      kind: 'labelled-video',
      splits: ['train', 'validation', 'unseen-units', 'unseen-outfits'],
      classes: set.reader.classes ?? [],
      parts: [set],
      extra: spriteColumns,
      packages: ['flare'],
    };
  },
});
