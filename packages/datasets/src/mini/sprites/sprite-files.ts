/** The animations and sheets of a data package of Flare. Sheets are decoded once and kept: they are the atlas of all clips. */
import type { PackageFiles, PackageOptions } from '../fetch/package-files.ts';
import { openSource } from '../packages.ts';
import { flare } from '../sources/flare.ts';
import { parseAnimation, type Animation } from './animation.ts';
import { decodeSheet, type SpriteSheet } from './sprite-canvas.ts';

const MODS = 'usr/share/games/flare/mods/';

/** An animation with its name: `goblin`, or `male/longsword` of an avatar's layer. */
export interface NamedAnimation extends Animation {
  readonly name: string;
}

export interface SpriteFiles {
  /** Animations of a kind; those that only change another one's colours are left out, and so are second ones of a sheet. */
  animations(kind: 'enemies' | 'avatar'): Promise<readonly NamedAnimation[]>;
  sheet(image: string): Promise<SpriteSheet>;
  /** For each direction the layers of an avatar, the lowest first. */
  layerOrder(): Promise<readonly (readonly string[])[]>;
}

const spriteFiles = (files: PackageFiles): SpriteFiles => {
  const sheets = new Map<string, Promise<SpriteSheet>>();
  return {
    async animations(kind) {
      const out: NamedAnimation[] = [];
      const images = new Set<string>();
      const pattern = new RegExp(`^${MODS}[^/]+/animations/${kind}/(.+)\\.txt$`, 'u');
      for (const path of files.paths) {
        const name = pattern.exec(path)?.[1];
        if (name === undefined) continue;
        const text = (await files.read(path)).toString('utf8');
        if (!/^image=/mu.test(text)) continue;
        const animation = parseAnimation(text, path);
        if (images.has(animation.image)) continue;
        images.add(animation.image);
        out.push({ ...animation, name });
      }
      return out;
    },
    sheet(image) {
      const opened = sheets.get(image);
      if (opened) return opened;
      // Mods stand on one another; a sheet is in one of them.
      const path = files.paths.find((each) => each.startsWith(MODS) && each.endsWith(`/${image}`)) ?? image;
      const made = files.read(path).then(decodeSheet);
      sheets.set(image, made);
      return made;
    },
    async layerOrder() {
      const path = files.paths.find((each) => each.endsWith('/engine/hero_layers.txt')) ?? 'hero_layers.txt';
      const text = (await files.read(path)).toString('utf8');
      const order: string[][] = [];
      for (const [, direction = '', layers = ''] of text.matchAll(/^layer=(\d+),(.*)$/gmu))
        order[Number(direction)] = layers.split(',').map((layer) => layer.trim());
      return order;
    },
  };
};

/** Opens the data package. @throws FormatError for other package content */
export const openSpriteFiles = async (packages: PackageOptions = {}): Promise<SpriteFiles> =>
  spriteFiles(await openSource(flare, packages));
