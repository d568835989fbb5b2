import { loadMobyDick } from '../moby-dick.ts';
import type { RunningText } from './running-text.ts';

export const novel: RunningText = Object.freeze({
  name: 'moby-dick',
  summary: 'Moby-Dick by chapters; from 121 on held out',
  sources: ['moby-dick'],
  load: ({ every, packages }) => loadMobyDick({ every }, packages),
} satisfies RunningText);
