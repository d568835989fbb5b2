import { defineSource } from './data-source.ts';

export const flare = defineSource({
  name: 'flare',
  summary: 'Flare: Empyrean Campaign',
  pin: {
    registry: 'debian',
    name: 'flare-game',
    version: '1.14-1',
    bytes: 122515912,
    sha256: '4ab6a8298276013d35a0806257e130d992761af1b749041433b409c3dafec508',
    pool: 'pool/main/f/flare-game/flare-game_1.14-1_all.deb',
    keep: /^usr\/share\/games\/flare\/mods\/[^/]+\/(?:animations\/(?:enemies|avatar)\/.*\.txt|images\/(?:enemies|avatar)\/.*\.png|engine\/hero_layers\.txt)$/u,
  },
  credit: {
    work: 'Flare: Empyrean Campaign',
    by: 'Clint Bellanger and contributors',
    licence: 'CC-BY-SA-3.0 (https://creativecommons.org/licenses/by-sa/3.0/)',
    use: 'sprites of enemies and avatars, scaled down, as clips; passing them on requires the same licence',
  },
});
