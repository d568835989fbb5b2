/**
 * Drawings with what they are called: emoji of six vendors, clip art and line icons. 57 MB to fetch, one Debian package
 * among them.
 * Command: npx polygate prepare --recipe mini-drawings
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniDrawings = {
  name: 'mini-drawings',
  image: { size: 48 },
  text: { length: 64 },
  tokenizer: { vocabularySize: 4096, lowercase: true },
  sources: {
    emoji: {
      source: 'emoji',
      vendors: ['noto', 'twemoji', 'openmoji', 'fluent-emoji-flat', 'fxemoji', 'fluent-emoji-3d'],
      heldOutVendor: 'none',
      distinct: true,
    },
    'clip-art': { source: 'openclipart', kind: 'captioned-image' },
    'clip-art-category': { source: 'openclipart', kind: 'labelled-image' },
    icons: { source: 'tabler-icons' },
  },
} satisfies PrepareRecipeInput;
