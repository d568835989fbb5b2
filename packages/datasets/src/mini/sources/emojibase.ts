import { defineSource } from './data-source.ts';

export const emojibase = defineSource({
  name: 'emojibase',
  summary: 'emojibase-data, with annotations of Unicode CLDR',
  pin: {
    name: 'emojibase-data',
    version: '17.0.0',
    files: {
      'en/data.json': 'ed014f1049bd370c5794f815850156196ac382850f51c3e9f6a9e83553fb3f01',
      'en/messages.json': '6bffab078a0d90c4cca03bd3ff1045fdba33a77d31b1408b1cf1c414d7f1ab3c',
    },
  },
  credit: {
    work: 'emojibase-data, with annotations of Unicode CLDR',
    by: 'Miles Johnson and contributors; annotations by Unicode, Inc.',
    licence: 'MIT; annotations under the Unicode License',
    use: 'names, keywords and groups of emoji',
  },
});
