import { defineSource } from './data-source.ts';

export const noto = defineSource({
  name: 'noto',
  summary: 'Noto Emoji',
  pin: {
    name: '@iconify-json/noto',
    version: '1.2.9',
    files: {
      'icons.json': '9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6',
      'chars.json': '91485653ca890bff640f2a6c2d7be62d625a90527b6b4d816b41593675bf5c8f',
    },
  },
  credit: {
    work: 'Noto Emoji',
    by: 'Google Inc.',
    licence: 'Apache-2.0',
    use: 'images, scaled down',
  },
});
