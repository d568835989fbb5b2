/**
 * Your own images in folders named after their classes.
 * Command: npx polygate prepare --recipe image-folder --set name=flowers --set sources.photos.path=flowers/
 */
export const imageFolder = {
  name: 'image-folder',
  sources: {
    photos: { source: 'image-folder' },
  },
} as const;
