/**
 * Pictures that a table or manifest names, found on disk as other systems write names: `\` for `/`, `./` in front,
 * another Unicode form, other letter case, no suffix.
 */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { mayEnter, type LinkOptions } from './folder-listing.ts';
import { isImageName, resolveInside } from './paths.ts';
import { fault, type Fault } from './sample.ts';

/** A picture's place: `key` is its path below the root with `/`, one for all spellings of its name. */
export interface FoundImage {
  readonly kind: 'found';
  readonly path: string;
  readonly key: string;
}

/** Finds pictures below one folder. */
export interface ImageFinder {
  /** The picture of that name; one that isn't there is found under the name as given, and fails when it is read. */
  find(name: string): Promise<FoundImage | Fault>;
}

const OUTSIDE = 'expected a path inside the image folder; give the folder that holds all pictures';

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

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

/** Opens a folder for look-ups. @param suffix added to names that have none, e.g. `.jpg` */
export const createImageFinder = (
  root: string,
  options: LinkOptions & { readonly suffix?: string } = {},
): ImageFinder => {
  const listings = new Map<string, Promise<Listing>>();
  const entered = new Map<string, Promise<boolean>>();
  const listed = (folder: string): Promise<Listing> => {
    const known = listings.get(folder) ?? listing(folder);
    listings.set(folder, known);
    return known;
  };
  const onDisk = async (path: string): Promise<string> => {
    if (await isThere(path)) return path;
    const parts = relative(root, path).split(sep);
    let at = root;
    for (const [index, part] of parts.entries()) {
      const name = pick(await listed(at), part, index === parts.length - 1);
      if (name === undefined) return path;
      at = join(at, name);
    }
    return at;
  };
  return {
    async find(name) {
      if (/^[a-z][a-z0-9+.-]+:\/\//iu.test(name)) {
        return fault(
          name,
          'remote-image',
          'expected the name of a file, got an address; fetch the pictures first',
        );
      }
      if (name.includes('\0') || /^[a-z]:[\\/]/iu.test(name)) {
        return fault(name, 'path-outside', OUTSIDE);
      }
      // A backslash parts folders in names from Windows; where a file is really called so, it is taken as it stands.
      const literal = resolveInside(root, name);
      const asked =
        name.includes('\\') && !(literal !== undefined && (await isThere(literal)))
          ? resolveInside(root, name.replace(/\\/gu, '/'))
          : literal;
      if (asked === undefined) return fault(name, 'path-outside', OUTSIDE);
      const suffixed = options.suffix && !isImageName(asked) ? `${asked}${options.suffix}` : asked;
      const path = await onDisk(suffixed);
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
    },
  };
};
