import { excerpt } from '@polygate/core';
import {
  describeWrong,
  examineEngine,
  probeEngines,
  type EngineExamination,
  type EngineReport,
  type Precision,
} from '@polygate/tensor';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { examineProcesses, type ProcessesFlags } from './doctor-processes.ts';
import { describeProbe } from './engine-speed.ts';
import { collect } from './options.ts';

/** What is said of one engine. */
interface Finding extends EngineReport {
  readonly examination?: EngineExamination;
  readonly speed?: { readonly gigaflops: number; readonly text: string };
}

interface DoctorFlags extends Partial<ProcessesFlags> {
  readonly set: readonly string[];
  readonly speed: boolean;
}

const INDENT = ' '.repeat(20);

const examined = async (report: EngineReport, speed: boolean): Promise<Finding> => {
  if (!report.available) return report;
  try {
    const examination = await examineEngine(report.name, { speed });
    const right = Object.values(examination.answers).some(({ wrong }) => wrong.length === 0);
    if (!right) {
      const remedy = 'take another engine, or another version of its library';
      return { ...report, available: false, why: 'it computes wrongly', remedy, examination };
    }
    const works = { ...report, examination };
    // The product is timed in f32; an engine that is right in bf16 alone has none.
    return speed && examination.answers.f32?.wrong.length === 0
      ? { ...works, speed: await describeProbe(report.name) }
      : works;
  } catch (cause) {
    return { ...report, available: false, why: cause instanceof Error ? cause.message : excerpt(cause) };
  }
};

/** The answers in each precision: one line where all are right, else one for each wrong one. */
const answerLines = ({ answers }: EngineExamination): string[] =>
  Object.entries(answers).flatMap(([precision, { asked, found, workarounds, wrong }]) => {
    if (found.length === 0) return [`${precision}: ${asked} known questions answered right`];
    const outcome =
      wrong.length > 0
        ? `${wrong.length} of ${asked} known questions answered wrongly, not used`
        : `${asked} known questions answered right, with ${workarounds.join('; ')}. Without:`;
    const listed = wrong.length > 0 ? wrong : found;
    return [`${precision}: ${outcome}`, ...listed.map((answer) => `  ${describeWrong(answer)}`)];
  });

/** Which precision to train in, where there is a choice. */
const precisionLines = ({ speeds }: EngineExamination): string[] => {
  const { gigaflops, order } = speeds;
  const [best] = order;
  if (best === undefined) return [];
  const list = (Object.entries(gigaflops) as [Precision, number][]).map(
    ([precision, speed]) => `${precision} ${speed.toFixed(0)} GFLOP/s`,
  );
  return [`training a Transformer block: ${list.join(', ')}; take --precision ${best}, which auto does, too`];
};

const linesOf = ({
  name,
  available,
  version = '',
  why = '',
  remedy,
  examination,
  speed,
}: Finding): string[] => {
  const head = `${available ? 'yes' : 'no '}  ${name.padEnd(14)}`;
  const first = available ? `${head} ${version}${speed ? `  ${speed.text}` : ''}` : `${head} ${why}`;
  const more = [
    ...(!available && remedy ? [remedy] : []),
    ...(examination ? [...answerLines(examination), ...precisionLines(examination)] : []),
  ];
  return [first.trimEnd(), ...more.map((line) => `${INDENT}${line}`)];
};

/** `polygate doctor`: which engines are here, whether they compute rightly, why others are not, and how fast each is. */
export const addDoctor = (program: Command, terminal: Terminal): void => {
  program
    .command('doctor')
    .description(
      'engines found, their versions, whether they compute rightly, why others are not there, and a short speed check of each',
    )
    .option('--json', 'print one JSON object')
    .option('--no-speed', 'skip the speed check')
    .option(
      '--processes [count]',
      'whether processes that are to train together reach each other and are alike, how fast and how far their clocks are apart: so many here, or those of torchrun, mpirun or srun',
    )
    .option('--recipe <name|file>', 'of --processes: the recipe that they must all have, and its suite')
    .option('--set <path=value>', 'change one setting of it; may be given again', collect, [])
    .action(async (options: DoctorFlags) => {
      const { processes, ...rest } = options;
      if (processes !== undefined) {
        await examineProcesses({ ...rest, processes }, terminal);
        return;
      }
      const findings: Finding[] = [];
      for (const report of await probeEngines()) findings.push(await examined(report, options.speed));
      const lines = [
        `node ${process.versions.node} on ${process.platform}-${process.arch}`,
        ...findings.flatMap(linesOf),
      ];
      terminal.print(
        options.json ? JSON.stringify({ node: process.versions.node, engines: findings }) : lines.join('\n'),
      );
    });
};
