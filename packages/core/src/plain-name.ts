/** Longest name of a file or folder, in UTF-8 bytes, on the usual file systems. */
const MAX_NAME_BYTES = 255;

/** Whether a name from a file may be used as the name of one folder or file: no path, nothing that leads elsewhere. */
export const isPlainName = (name: unknown): name is string =>
  typeof name === 'string' &&
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !/[/\\\0]/u.test(name) &&
  new TextEncoder().encode(name).length <= MAX_NAME_BYTES;
