import { defineSource } from './data-source.ts';

export const fluentEmoji3d = defineSource({
  name: 'fluent-emoji-3d',
  summary: 'Fluent Emoji 3D',
  pin: {
    registry: 'npm',
    name: '@lobehub/fluent-emoji-3d',
    version: '1.1.0',
    bytes: 15792027,
    sha256: 'c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58',
    keep: /^assets\/.*\.webp$/u,
  },
  credit: {
    work: 'Fluent Emoji 3D',
    by: 'Microsoft Corporation; packed by LobeHub',
    licence: 'MIT',
    use: 'images, scaled down',
  },
});
