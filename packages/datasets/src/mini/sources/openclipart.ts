import { defineSource } from './data-source.ts';

export const openClipart = defineSource({
  name: 'openclipart',
  summary: 'Open Clip Art Library 0.18',
  pin: {
    registry: 'debian',
    name: 'openclipart-svg',
    version: '1:0.18+dfsg-19',
    bytes: 24919068,
    sha256: '989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5',
    pool: 'pool/main/o/openclipart/openclipart-svg_0.18+dfsg-19_all.deb',
    keep: /^usr\/share\/openclipart\/svg\/.*\.svg$/u,
  },
  credit: {
    work: 'Open Clip Art Library 0.18',
    by: 'the artists named in its files',
    licence: 'public domain',
    use: 'drawings, drawn small, with titles, tags and categories',
  },
});
