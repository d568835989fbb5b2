import { defineSource } from './data-source.ts';

export const openmoji = defineSource({
  name: 'openmoji',
  summary: 'OpenMoji',
  pin: {
    name: '@iconify-json/openmoji',
    version: '1.2.29',
    files: {
      'icons.json': '7075331faab544067dbff4236471dd378bb5410aa05799a8a343c9ebf5c5984c',
      'chars.json': '8583c4c65723c22c043a50a27038c43d3d12de336ad409872b23356f4c3e3825',
    },
  },
  credit: {
    work: 'OpenMoji',
    by: 'the OpenMoji project, HfG Schwäbisch Gmünd',
    licence: 'CC-BY-SA-4.0 (https://creativecommons.org/licenses/by-sa/4.0/)',
    use: 'images, scaled down; passing them on requires the same licence',
  },
});
