/**
 * Images that a table or manifest names, found on disk as other systems write names: `\` for `/`, `./` in front,
 * another Unicode form, other letter case, no suffix.
 */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { mayEnter, type LinkOptions } from '../files/folder-listing.ts';
import { isImageName, resolveInside } from '../files/paths.ts';
import { fault, type Fault } from '../samples/sample.ts';

/** An image's place: `key` is its path below the root with `/`, one for all spellings of its name. */
export interface FoundImage {
  readonly kind: 'found';
  readonly path: string;
  readonly key: string;
}

/** Finds images below one folder. */
export interface ImageFinder {
  /** The image of that name; one that isn't there is found under the name as given, and fails when it is read. */
  find(name: string): Promise<FoundImage | Fault>;
}

const OUTSIDE =
  'expected a path inside the image folder; give the folder that holds all images, and as prefix what names have in front of their path in it';
const REMOTE =
  'expected the name of a file, got an address; fetch the images first, and set prefix to what addresses have in front of the names of the files';
const INLINE = 'expected the name of a file, got the image itself as text; write it to a file';
/** Longest name that is shown. */
const SHOWN_NAME = 200;

/** Names of one folder, by the spelling that they share. */
interface Listing {
  readonly byForm: ReadonlyMap<string, readonly string[]>;
  readonly byCase: ReadonlyMap<string, readonly string[]>;
  readonly byStem: ReadonlyMap<string, readonly string[]>;
}

const fold = (name: string): string => name.normalize('NFC').toLowerCase();

const listing = async (folder: string): Promise<Listing> => {
  const byForm = new Map<string, string[]>();
  const byCase = new Map<string, string[]>();
  const byStem = new Map<string, string[]>();
  const put = (map: Map<string, string[]>, key: string, name: string): void => {
    const list = map.get(key);
    if (list) list.push(name);
    else map.set(key, [name]);
  };
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    put(byForm, name.normalize('NFC'), name);
    put(byCase, fold(name), name);
    if (isImageName(name)) put(byStem, fold(name.slice(0, name.lastIndexOf('.'))), name);
  }
  return { byForm, byCase, byStem };
};

/** The one name that fits, or the first of several that differ in form alone. */
const pick = (list: Listing, part: string, last: boolean): string | undefined => {
  const form = list.byForm.get(part.normalize('NFC'));
  if (form) return form.includes(part) ? part : form[0];
  const sameLetters = list.byCase.get(fold(part));
  if (sameLetters?.length === 1) return sameLetters[0];
  const stem = last ? list.byStem.get(fold(part)) : undefined;
  return stem?.length === 1 ? stem[0] : undefined;
};

/** What a name may stand for where no file is called so: escaped as in an address, or a number of a floating-point column. */
const otherSpellings = (name: string): readonly string[] => {
  const all: string[] = [];
  if (/%[0-9a-f]{2}/iu.test(name)) {
    try {
      all.push(decodeURIComponent(name));
    } catch {
      // No escapes after all.
    }
  }
  const whole = /^((?:.*[\\/])?\d+)\.0+$/u.exec(name)?.[1];
  if (whole !== undefined) all.push(whole);
  return all;
};

/** Settings of names in tables, beside those of links. */
export interface ImageNameOptions extends LinkOptions {
  /** Cut from the front of names that begin with it, such as `/data/upload/` or `https://example.org/photos/`. */
  readonly prefix?: string;
  /** Put behind names without suffix, such as `.jpg`. */
  readonly suffix?: string;
}

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

/** Opens a folder for look-ups. */
export const createImageFinder = (root: string, options: ImageNameOptions = {}): ImageFinder => {
  const listings = new Map<string, Promise<Listing>>();
  const entered = new Map<string, Promise<boolean>>();
  const listed = (folder: string): Promise<Listing> => {
    const names = listings.get(folder) ?? listing(folder);
    listings.set(folder, names);
    return names;
  };
  const onDisk = async (path: string): Promise<string | undefined> => {
    if (await isThere(path)) return path;
    const parts = relative(root, path).split(sep);
    let at = root;
    for (const [index, part] of parts.entries()) {
      const name = pick(await listed(at), part, index === parts.length - 1);
      if (name === undefined) return undefined;
      at = join(at, name);
    }
    return at;
  };
  const suffixed = (path: string): string =>
    options.suffix && !isImageName(path) ? `${path}${options.suffix}` : path;
  const search = async (given: string): Promise<FoundImage | Fault> => {
    const cut = options.prefix !== undefined && given.startsWith(options.prefix);
    const name = cut ? given.slice(options.prefix.length).replace(/^[/\\]+/u, '') : given;
    const shown = given.length > SHOWN_NAME ? `${given.slice(0, SHOWN_NAME)}…` : given;
    if (/^data:[^,]*,/iu.test(name)) return fault(shown, 'inline-image', INLINE);
    if (/^[a-z][a-z0-9+.-]+:\/\//iu.test(name)) return fault(shown, 'remote-image', REMOTE);
    if (name.includes('\0') || /^[a-z]:[\\/]/iu.test(name)) return fault(shown, 'path-outside', OUTSIDE);
    // A backslash parts folders in names from Windows; where a file is really called so, it is taken as it stands.
    const literal = resolveInside(root, name);
    const asked =
      name.includes('\\') && !(literal !== undefined && (await isThere(literal)))
        ? resolveInside(root, name.replace(/\\/gu, '/'))
        : literal;
    if (asked === undefined) return fault(shown, 'path-outside', OUTSIDE);
    let imagePath = await onDisk(suffixed(asked));
    for (const other of imagePath === undefined ? otherSpellings(name) : []) {
      const path = resolveInside(root, other);
      if (path !== undefined) imagePath ??= await onDisk(suffixed(path));
    }
    const path = imagePath ?? suffixed(asked);
    const folder = dirname(path);
    const inside = entered.get(folder) ?? mayEnter(folder, root, options);
    entered.set(folder, inside);
    if (!(await inside) && (await isThere(folder))) {
      return fault(
        name,
        'link-outside',
        'expected a path inside the image folder, got a link to a folder elsewhere; set links to "follow" if that is meant',
      );
    }
    return { kind: 'found', path, key: relative(root, path).split(sep).join('/') };
  };
  // Tables name an image in neighbouring rows, once for each of its captions.
  let last: { readonly name: string; readonly result: Promise<FoundImage | Fault> } | undefined;
  return {
    find(name) {
      if (last?.name !== name) last = { name, result: search(name) };
      return last.result;
    },
  };
};
