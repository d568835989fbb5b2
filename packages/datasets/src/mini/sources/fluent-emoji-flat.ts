import { defineSource } from './data-source.ts';

export const fluentEmojiFlat = defineSource({
  name: 'fluent-emoji-flat',
  summary: 'Fluent Emoji Flat',
  pin: {
    name: '@iconify-json/fluent-emoji-flat',
    version: '1.2.6',
    files: {
      'icons.json': 'f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63',
      'chars.json': '7f084c5a95807edb4702a7c9f6f18e74d59026d1c34ceb8cae85df0b9a9f0a10',
    },
  },
  credit: {
    work: 'Fluent Emoji Flat',
    by: 'Microsoft Corporation',
    licence: 'MIT',
    use: 'images, scaled down',
  },
});
