import { defineSource } from './data-source.ts';

export const fortunes = defineSource({
  name: 'fortunes',
  summary: 'Fortunes',
  pin: {
    registry: 'debian',
    name: 'fortunes',
    version: '1:1.99.1-7.3',
    bytes: 848988,
    sha256: '41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5',
    pool: 'pool/main/f/fortune-mod/fortunes_1.99.1-7.3_all.deb',
    keep: /^usr\/share\/games\/fortunes\/[\w-]+$/u,
  },
  credit: {
    work: 'Fortunes',
    by: 'Ken Arnold and contributors; packed for Debian',
    licence: 'BSD for the collection; the sayings are quotations of their authors',
    use: 'text, and the topic of each',
  },
});
