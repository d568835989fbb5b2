/** Files that systems leave beside the data and nobody means: they are passed over without a word. */

/** Names, in lower case, beside all that begin with a dot (`.DS_Store`, and `._photo.jpg`, macOS's second half). */
const names: ReadonlySet<string> = new Set([
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '@eadir',
  '$recycle.bin',
  'system volume information',
]);

const isJunkName = (name: string): boolean =>
  (name.startsWith('.') && name !== '.' && name !== '..') || names.has(name.toLowerCase());

/** Whether a name, or any part of a path with `/`, is such a file or folder. */
export const isJunk = (path: string): boolean => path.split('/').some(isJunkName);
