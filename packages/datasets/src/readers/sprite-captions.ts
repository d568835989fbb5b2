import { z } from 'zod';
import { loadSpriteCaptions, spriteColumns } from '../mini/sprites/sprite-sets.ts';
import { defineReader } from './dataset-reader.ts';

const clips = z.number().int().min(0).max(1e6);

/** Clips of game sprites with what is said of them. */
export const spriteCaptionsReader = defineReader({
  name: 'sprite-captions',
  summary: 'clips of enemies and avatars of a game with captions, from a Debian package',
  needs: 'no path: its data comes as a Debian package',
  settings: {
    /** Clips of avatars in training, in validation, and of held-out pairs of weapon and outfit. */
    avatars: clips.default(5000),
    validation: clips.default(200),
    unseen: clips.default(500),
    /** Further clips of held-out pairs whose captions all differ. */
    gallery: clips.default(200),
    seed: z.number().int().min(0).default(1),
  },
  kinds: ['captioned-video'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['flare'],
  async open(settings, { key, packages }) {
    const set = await loadSpriteCaptions(settings, packages);
    return {
      name: key,
      kind: 'captioned-video',
      splits: ['train', 'validation', 'unseen-units', 'unseen-outfits', 'unseen-gallery'],
      parts: [set],
      extra: spriteColumns,
      packages: ['flare'],
    };
  },
});
