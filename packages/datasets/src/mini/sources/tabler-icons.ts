import { defineSource } from './data-source.ts';

export const tablerIcons = defineSource({
  name: 'tabler-icons',
  summary: 'Tabler Icons',
  pin: {
    registry: 'npm',
    name: '@tabler/icons',
    version: '3.51.0',
    bytes: 1245641,
    sha256: 'b30108713d3fa60aee862c2a133225da8e0f309be0708fe2925763ff810c766c',
    keep: /^(?:icons\.json|icons\/(?:outline|filled)\/.*\.svg)$/u,
  },
  credit: {
    work: 'Tabler Icons',
    by: 'Paweł Kuna',
    licence: 'MIT',
    use: 'images, drawn small, with names and tags; icons of brands are left out',
  },
});
