import { exportForms, exportRun, formatExport, type ExportForm } from '@polygate/app-predict';
import { unknownName } from '@polygate/core';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import {
  checkpointOptions,
  engineOptions,
  list,
  withCheckpoint,
  type CheckpointFlags,
  type EngineFlags,
} from './options.ts';

interface ExportFlags extends Pick<EngineFlags, 'engine'>, CheckpointFlags {
  readonly run: string;
  readonly tasks?: readonly string[];
  readonly out: string;
  readonly dtype?: 'F32' | 'BF16';
  readonly form?: ExportForm;
  readonly json?: boolean;
}

const dtypes = ['f32', 'bf16'];

const dtype = (value: string): 'F32' | 'BF16' => {
  if (!dtypes.includes(value)) throw unknownName('type', value, dtypes);
  return value === 'f32' ? 'F32' : 'BF16';
};

const form = (value: string): ExportForm => {
  const named = exportForms.find((each) => each === value);
  if (named) return named;
  throw unknownName('form', value, exportForms);
};

/** `polygate export`: a run as a model folder with merged experts. */
export const addExport = (program: Command, terminal: Terminal): void => {
  withCheckpoint(program.command('export'))
    .description('a run’s experts merged for given tasks -> a model folder for predict and evaluate')
    .requiredOption('--run <folder>', 'folder of a run or of a trained model')
    .requiredOption('--out <folder>', 'where the model goes')
    .option('--tasks <names>', 'tasks that the model is for, separated by commas (default: all)', list)
    .option(
      '--engine <name>',
      'auto, torch, tfjs-node-gpu, tfjs-node, wasm or cpu (default: the recipe’s, else auto)',
    )
    .option(
      '--form <form>',
      'model; trained: with all experts, to tune it further; adapter: what a tuned run has beside its base; or peft: the same of method lora, as peft has it (default: model)',
      form,
    )
    .option('--dtype <type>', 'f32, or bf16 for half the size (default: f32)', dtype)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nAn exported model has one dense weight set for each kind of segment that the tasks have, no routers and no other experts. Experts that every token chooses for itself (token, context) cannot be merged.',
    )
    .action(async (flags: ExportFlags) => {
      const { run, out, tasks, dtype: type, form: asked } = flags;
      const result = await exportRun(
        {
          run,
          output: out,
          ...engineOptions(flags),
          ...checkpointOptions(flags),
          ...(tasks ? { tasks } : {}),
          ...(type ? { dtype: type } : {}),
          ...(asked ? { form: asked } : {}),
        },
        { logger: terminal.logger },
      );
      terminal.print(flags.json ? JSON.stringify(result) : formatExport(result));
    });
};
