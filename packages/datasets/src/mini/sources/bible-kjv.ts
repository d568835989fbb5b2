import { defineSource } from './data-source.ts';

export const bibleKjv = defineSource({
  name: 'bible-kjv',
  summary: 'The Bible, King James Version',
  pin: {
    registry: 'debian',
    name: 'sword-text-kjv',
    version: '14.3-1',
    bytes: 2800476,
    sha256: '9f463f28ce665f6f528fc723179722bced880a4c5485f7a41bf742838315de57',
    pool: 'pool/main/s/sword-text-kjv/sword-text-kjv_14.3-1_all.deb',
    keep: /^usr\/share\/sword\/modules\/texts\/ztext\/engKJV2006eb\/.*\.bz[svz]$/u,
  },
  credit: {
    work: 'The Bible, King James Version',
    by: 'packed by eBible.org for SWORD',
    licence: 'public domain (in the United Kingdom under a patent of the Crown)',
    use: 'text, and pairs of verses',
  },
});
