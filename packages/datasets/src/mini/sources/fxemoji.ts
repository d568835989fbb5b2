import { defineSource } from './data-source.ts';

export const fxemoji = defineSource({
  name: 'fxemoji',
  summary: 'FxEmojis',
  pin: {
    registry: 'npm',
    name: '@iconify-json/fxemoji',
    version: '1.2.2',
    bytes: 1034876,
    sha256: 'f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef',
    keep: /^(?:icons|chars)\.json$/u,
  },
  credit: {
    work: 'FxEmojis',
    by: 'Mozilla Foundation; packed by Iconify',
    licence: 'Apache-2.0',
    use: 'images, scaled down',
  },
});
