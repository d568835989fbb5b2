/** Tabler's line icons with names and tags. Icons of brands are left out; variants of one icon are on one side. */
import { parseJson } from '@polygate/core';
import { fault, type ReaderItem } from '../samples/sample.ts';
import { bucketOf } from '../splits/split.ts';
import type { PackageOptions } from './fetch/package-files.ts';
import type { MiniSet } from './mini-set.ts';
import { openSource } from './packages.ts';
import { tablerIcons } from './sources/tabler-icons.ts';

const TAGS_PER_CAPTION = 3;

/** Splits of icons. */
export type IconSide = 'train' | 'validation' | 'unseen-icons';

export interface TablerOptions {
  /** Percentage of icons in `unseen-icons`. @default 5 */
  readonly unseenPercent?: number;
  /** Percentage of the other icons in `validation`. @default 3 */
  readonly validationPercent?: number;
  /** Percentage of icons that are used at all, for fast tests. @default 100 */
  readonly keepPercent?: number;
  /** Side in pixels at which icons are rasterised. @default 48 */
  readonly size?: number;
}

interface RawIcon {
  readonly name: string;
  readonly category?: string;
  readonly tags?: readonly (string | number)[];
}

/** The icon that a variant is one of: `bell-off`, `bell-2` and `bell-filled` are bells. */
export const baseOf = (name: string): string => {
  const base = name.replace(/(?:-(?:off|filled|\d+|x|plus|minus|check))+$/u, '');
  return base === '' ? name : base;
};

/** Loads the icons. @throws FormatError for other package content */
export const loadTabler = async (
  options: TablerOptions = {},
  packages: PackageOptions = {},
): Promise<MiniSet<IconSide>> => {
  const { unseenPercent = 5, validationPercent = 3, keepPercent = 100, size = 48 } = options;
  const files = await openSource(tablerIcons, packages);
  const present = new Set(files.paths);
  const icons = Object.values(
    parseJson(await files.read('icons.json'), 'icons.json') as Readonly<Record<string, RawIcon>>,
  );
  return {
    reader: {
      name: 'tabler-icons',
      async *read(): AsyncGenerator<ReaderItem> {
        for (const { name, category = '', tags = [] } of icons) {
          const base = baseOf(name);
          if (category === 'Brand' || name.startsWith('brand-')) continue;
          if (bucketOf(`keep/${base}`) >= keepPercent) continue;
          const path = `icons/outline/${name}.svg`;
          if (!present.has(path)) {
            yield fault(name, 'missing-file', `expected ${path}, got none`);
            continue;
          }
          const svg = (await files.read(path))
            .toString('utf8')
            .replace(/\b(width|height)="24"/gu, `$1="${size}"`);
          const others = tags.map(String).filter((tag) => tag !== name && /[a-z]{2}/iu.test(tag));
          yield {
            kind: 'sample',
            id: name,
            image: { kind: 'bytes', bytes: Buffer.from(svg) },
            texts: [
              name.replaceAll('-', ' '),
              ...(others.length > 1 ? [others.slice(0, TAGS_PER_CAPTION).join(', ')] : []),
            ],
            extra: { base, category },
          };
        }
      },
    },
    splitOf({ extra }) {
      const base = extra?.['base'] ?? '';
      if (bucketOf(base) < unseenPercent) return 'unseen-icons';
      return bucketOf(`validation/${base}`) < validationPercent ? 'validation' : 'train';
    },
  };
};
