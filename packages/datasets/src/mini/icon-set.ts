/** Icon sets in the form of Iconify: SVG bodies by name, aliases, and names by code point sequence. */

interface RawIcon {
  readonly body: string;
  readonly width?: number;
  readonly height?: number;
  readonly left?: number;
  readonly top?: number;
}

interface RawAlias {
  readonly parent: string;
  readonly rotate?: number;
  readonly hFlip?: boolean;
  readonly vFlip?: boolean;
}

interface RawSet {
  readonly icons: Readonly<Record<string, RawIcon>>;
  readonly aliases?: Readonly<Record<string, RawAlias>>;
  readonly width?: number;
  readonly height?: number;
}

/** A parsed set. */
export interface IconSet {
  readonly raw: RawSet;
  /** Icon names by code points, lower case, joined by `-`, without variation selectors. */
  readonly names: ReadonlyMap<string, string>;
}

/** Aliases of aliases are followed this deep. */
const MAX_ALIAS_DEPTH = 4;
/** Side of a drawing where the set does not say, as Iconify defines it. */
const DEFAULT_SIDE = 16;

/** A code point sequence in lower case, without variation selectors. */
export const normalizeHexcode = (hexcode: string): string => hexcode.toLowerCase().replace(/-fe0f/gu, '');

/** Names that vendors give to drawings: the label in lower case, ASCII, words joined by `-`. */
export const slugOf = (label: string): string =>
  label
    .toLowerCase()
    .normalize('NFD')
    .replace(/[\u0300-\u036f’'.“”!:,()]/gu, '')
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-|-$/gu, '');

/** An emoji whose drawing is looked for. */
export interface DrawnEmoji {
  readonly hexcode: string;
  readonly label: string;
  /** Names under which its drawing may stand, beside that of its code points. @default the label's own */
  readonly names?: readonly string[];
}

/** Parses `icons.json` and `chars.json` of a set. */
export const parseIconSet = (icons: Uint8Array, chars: Uint8Array): IconSet => {
  const raw = JSON.parse(Buffer.from(icons).toString('utf8')) as RawSet;
  const names = new Map<string, string>();
  const entries = Object.entries(
    JSON.parse(Buffer.from(chars).toString('utf8')) as Readonly<Record<string, string>>,
  );
  for (const [hexcode, name] of entries) {
    // Of two spellings of a sequence the first in the file counts.
    if (!names.has(normalizeHexcode(hexcode))) names.set(normalizeHexcode(hexcode), name);
  }
  return { raw, names };
};

const resolveIcon = (raw: RawSet, name: string): RawIcon | 'transformed' | undefined => {
  let at = name;
  for (let depth = 0; depth <= MAX_ALIAS_DEPTH; depth += 1) {
    if (Object.hasOwn(raw.icons, at)) return raw.icons[at];
    const alias = raw.aliases && Object.hasOwn(raw.aliases, at) ? raw.aliases[at] : undefined;
    if (!alias) return undefined;
    if (alias.rotate || alias.hFlip || alias.vFlip) return 'transformed';
    at = alias.parent;
  }
  return undefined;
};

/**
 * The drawing of an emoji as an SVG document of `size` pixels a side (so that it is rasterised at that size, not
 * scaled up), `'transformed'` for a turned alias, undefined where the set has none.
 */
export const iconImage = (
  set: IconSet,
  emoji: DrawnEmoji,
  size: number,
): Uint8Array | 'transformed' | undefined => {
  const name = set.names.get(normalizeHexcode(emoji.hexcode));
  const { label, names = [slugOf(label)] } = emoji;
  let icon = name === undefined ? undefined : resolveIcon(set.raw, name);
  for (const other of names) icon ??= resolveIcon(set.raw, other);
  if (icon === undefined || icon === 'transformed') return icon;
  const width = icon.width ?? set.raw.width ?? DEFAULT_SIDE;
  const height = icon.height ?? set.raw.height ?? DEFAULT_SIDE;
  const box = `${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}`;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size}" height="${size}" viewBox="${box}">${icon.body}</svg>`,
  );
};
