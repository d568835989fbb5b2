/**
 * Your own images with a table of captions (`image,caption`, or as Flickr30k has it).
 * Command: npx polygate prepare --recipe captions --set name=holiday \
 *   --set sources.photos.file=captions.csv --set sources.photos.images=photos/
 */
export const captions = {
  name: 'captions',
  sources: {
    photos: { source: 'captions-csv' },
  },
} as const;
