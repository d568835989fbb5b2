// How the communicator is compiled: against LibTorch alone, with declarations of Gloo of our own (gloo/context.h).
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const filesBelow = (folder, extension) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(folder, name));

/**
 * @param target what the engine is compiled by
 * @param native folder of the sources
 * @returns the same for the communicator, with `missing`: what this LibTorch lacks
 */
export const communicatorPlan = (target, native) => {
  const folder = join(native, 'c10d');
  const header = 'torch/csrc/distributed/c10d/ProcessGroupGloo.hpp';
  const [include] = target.libtorch.include;
  return {
    ...target,
    sources: filesBelow(folder, '.cc'),
    headers: filesBelow(folder, '.h'),
    compileFlags: [
      // Before all others: a Gloo that is installed may be of another version than the one in LibTorch.
      `-I${folder}`,
      ...target.compileFlags.filter((flag) => !flag.startsWith('-DNODE_GYP_MODULE_NAME')),
      '-DNODE_GYP_MODULE_NAME=polygate_c10d',
      '-DUSE_DISTRIBUTED',
      '-DUSE_C10D_GLOO',
    ],
    linkFlags: [
      ...target.linkFlags,
      // What the library lacks is found when it is loaded, as an error, not when it is called, as the end of the process.
      ...(process.platform === 'linux' ? ['-Wl,-z,now'] : []),
    ],
    ...(existsSync(join(include, header)) ? {} : { missing: `${header} is not there` }),
  };
};
