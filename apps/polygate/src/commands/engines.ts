import { buildableEngines, buildEngine } from '@polygate/tensor/build';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';

interface BuildFlags {
  readonly python?: string;
  readonly force?: boolean;
}

/** `polygate engines build`: compiles the native part of an engine on this machine. */
export const addEngines = (program: Command, terminal: Terminal): void => {
  const engines = program.command('engines').description('native parts of engines');
  engines
    .command('build')
    .description(
      'compile the native part of an engine: torch against LibTorch, tfjs-node and tfjs-node-gpu against the TensorFlow of a Python',
    )
    .argument('<name>', buildableEngines.join(', '))
    .option('--python <file>', 'Python whose torch or tensorflow is taken (default: $PYTHON, else python3)')
    .option('--force', 'build though nothing has changed')
    .action(async (name: string, flags: BuildFlags) => {
      const built = await buildEngine(name, { ...flags, logger: terminal.logger });
      terminal.print(
        `${name}: ${built.upToDate ? 'up to date' : 'built'} against ${built.library} in ${built.root}${built.cuda ? ', with CUDA' : ''}`,
      );
    });
};
