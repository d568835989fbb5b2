import { noteOrigin, pendingAnswers, PolygateError, StateError, unknownName } from '@polygate/core';
import { endingWork } from '@polygate/core/node';
import { taskPredictors } from '@polygate/tasks';
import { Command, CommanderError } from 'commander';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEngines } from './commands/engines.ts';
import { addEvaluate } from './commands/evaluate.ts';
import { addExport } from './commands/export.ts';
import { addInspect } from './commands/inspect.ts';
import { addPredict } from './commands/predict.ts';
import { addPrepare } from './commands/prepare.ts';
import { addPretrain } from './commands/pretrain.ts';
import { addTune } from './commands/tune.ts';
import { collect } from './commands/options.ts';
import { errorText, exitCodeOf, exitCodes } from './exit-codes.ts';
import { loadEarlyExtensions } from './extensions.ts';
import { endWithStarter, isChild, LOST_CODE } from './processes.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** Frames of a trace. */
const STACK_FRAMES = 64;

const help = (): string => `
Stages, in order:
  prepare    raw files or the mini suite -> Arrow shards
  pretrain   joint training of one encoder on all tasks -> a run folder
  tune       a run or model on a task: prompts on a base that stays as it is, or all weights
  evaluate   scores with intervals beside chance and baselines -> report.md, sheet.png
  predict    ${taskPredictors()
    .map(({ predictor }) => predictor.verb)
    .join(', ')}, from a run folder
  export     a run's experts merged for given tasks -> a model folder for predict and evaluate
  inspect    interference between tasks, and a report of a run in figures

Exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 3 engine missing or failed, 130 interrupted.`;

/** The command line as a commander program, its commands bound to a terminal. */
const createProgram = (terminal: Terminal): Command => {
  const program = new Command('polygate')
    .description('Train, tune and ship sparse generalist models.')
    .option('--verbose', 'print traces of errors; so does DEBUG=polygate')
    .addHelpText('after', help())
    .showHelpAfterError('(run with --help for the options)');
  for (const add of [
    addDemo,
    addPrepare,
    addPretrain,
    addTune,
    addEvaluate,
    addPredict,
    addExport,
    addInspect,
    addDoctor,
    addEngines,
  ])
    add(program, terminal);
  const commands = program.commands.map((command) => command.name());
  program.argument('[command]').action((name: string | undefined) => {
    if (name !== undefined) throw unknownName('command', name, commands);
    program.outputHelp();
  });
  // Sub-commands inherit neither: without both, commander would end the process itself.
  for (const command of [
    program,
    ...program.commands,
    ...program.commands.flatMap((child) => child.commands),
  ]) {
    if (command.commands.length === 0) {
      command.option(
        '--extension <module>',
        'package or module file that registers more; may be given again',
        collect,
      );
    }
    command.exitOverride();
    command.configureOutput({ writeErr: () => {}, writeOut: (text) => terminal.print(text.trimEnd()) });
  }
  return program;
};

/** Whether work ended because it was told to: the error of an aborted signal, also as the cause of another. */
const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || isAbort(error.cause));

/** Whether a rank ended because of another one, which tells of it, or whose starter does. */
const isLost = (error: unknown): boolean =>
  error instanceof PolygateError &&
  ['rank-failed', 'rank-missing'].includes(error.code) &&
  (error.fields['ranks'] as readonly number[]).length > 0;

/** The error of a command that waits for what nothing can bring any more, with the extension's record that it waits for. */
const neverEnds = (): Error => {
  const [first] = pendingAnswers();
  const awaited = first ? `${first.origin.kind} "${first.origin.name}": ${first.what}` : 'something';
  const error = new StateError(
    `expected work that comes to an end, got some that waits for what never comes: ${awaited}; look for an await that nothing ends`,
    { code: 'never-ends' },
  );
  if (first) noteOrigin(error, first.origin);
  return error;
};

/** `--verbose`, or a `DEBUG` that names this program or all, as the convention goes. */
const wantsTrace = (argv: readonly string[]): boolean =>
  argv.includes('--verbose') ||
  (process.env['DEBUG'] ?? '').split(/[\s,]+/u).some((name) => name === '*' || /^polygate\b/u.test(name));

/**
 * Runs one command line.
 * @param argv the words after `polygate`
 * @returns the exit code; nothing is thrown
 */
export const main = async (argv: readonly string[], given?: Terminal): Promise<number> => {
  if (!given) endWithStarter();
  const ownTerminal = given ? undefined : processTerminal();
  const terminal = given ?? (ownTerminal as Terminal);
  // Frames of extensions may lie below many of the engine's; errors say which one it was.
  Error.stackTraceLimit = Math.max(Error.stackTraceLimit, STACK_FRAMES);
  try {
    await loadEarlyExtensions(argv);
    await endingWork(createProgram(terminal).parseAsync([...argv], { from: 'user' }), neverEnds);
    await ownTerminal?.flush();
    return terminal.signal.aborted ? exitCodes.interrupted : exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    if (terminal.signal.aborted && isAbort(error)) {
      terminal.logger.info('stopped');
      return exitCodes.interrupted;
    }
    // Whoever started this rank tells of the one that failed.
    if (isChild() && isLost(error)) return LOST_CODE;
    terminal.logger.error(errorText(error, wantsTrace(argv)).replace(/^(?:error: )+/u, ''));
    return exitCodeOf(error);
  } finally {
    ownTerminal?.release();
  }
};
