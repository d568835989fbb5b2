/** All parsers that read what others wrote. A new one gets its record here: the test and the script take it from there. */
import type { FuzzTarget } from './target.ts';
import { archiveTargets } from './targets/archive-targets.ts';
import { imageTargets } from './targets/image-targets.ts';
import { runTargets } from './targets/run-targets.ts';
import { soundTargets } from './targets/sound-targets.ts';
import { tableTargets } from './targets/table-targets.ts';
import { tensorTargets } from './targets/tensor-targets.ts';
import { textTargets } from './targets/text-targets.ts';

export const fuzzTargets: readonly FuzzTarget[] = [
  ...textTargets,
  ...archiveTargets,
  ...tableTargets,
  ...imageTargets,
  ...soundTargets,
  ...tensorTargets,
  ...runTargets,
];
