import { defineSource } from './data-source.ts';

export const twemoji = defineSource({
  name: 'twemoji',
  summary: 'Twemoji',
  pin: {
    name: '@iconify-json/twemoji',
    version: '1.2.5',
    files: {
      'icons.json': '5d5d820790565b764f2728675d487c9ee4c1fc83916d8567d5aca8ba7527c242',
      'chars.json': '8e6a83d5a3ac185b2446154b9c4ee07c983bd4a5b2a21aa4b9ff04af9831eefe',
    },
  },
  credit: {
    work: 'Twemoji',
    by: 'Twitter, Inc. and other contributors',
    licence: 'CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/)',
    use: 'images, scaled down',
  },
});
