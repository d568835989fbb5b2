/** Files that systems leave beside the data and nobody means: they are passed over without a word. */

/** Names, in lower case, beside all that begin with a dot (`.DS_Store`, and `._photo.jpg`, macOS's second half). */
const names: ReadonlySet<string> = new Set([
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'ehthumbs_vista.db',
  'zbthumbnail.info',
  'picasa.ini',
  'icon\r',
  '#recycle',
  'lost+found',
  'desktop.ini',
  '@eadir',
  '$recycle.bin',
  'system volume information',
]);

const isJunkName = (name: string): boolean =>
  (name.startsWith('.') && name !== '.' && name !== '..') ||
  names.has(name.toLowerCase()) ||
  // What Windows marks files with that came from the internet, on systems that have no such marks.
  name.endsWith(':Zone.Identifier');

/** Whether a name, or any part of a path with `/`, is such a file or folder. */
export const isJunk = (path: string): boolean => path.split('/').some(isJunkName);

/** Folders, in lower case, whose names begin with a dot because a program keeps its own things in them. */
const ownFolders: ReadonlySet<string> = new Set([
  '.appledouble',
  '.cache',
  '.dvc',
  '.git',
  '.huggingface',
  '.idea',
  '.ipynb_checkpoints',
  '.svn',
  '.thumbnails',
  '.tmp',
  '.trash',
  '.vscode',
]);

/** Whether a folder's name begins with a dot though no program is known to call a folder of its own so. */
export const isHiddenFolder = (name: string): boolean =>
  /^\.[^._]/u.test(name) && !ownFolders.has(name.toLowerCase()) && !/^\.trash-\d+$/iu.test(name);
