/** The diagnostics of the inspect stage: a run folder -> RUN/inspect/diagnostics.json, and a table. */
import {
  DIAGNOSTICS_FILE,
  runDiagnostics,
  writeDiagnostics,
  type AgreementRecord,
  type DiagnosticsRecord,
  type RunDiagnosticsOptions,
} from '@polygate/interference';
import { join } from 'node:path';
import type { InspectContext } from './inspect-interference.ts';
import { plainGrid } from './plain-grid.ts';

export interface DiagnosticsStageOptions extends RunDiagnosticsOptions {
  /** Folder of a run. */
  readonly run: string;
  /** Where the result goes. @default RUN/inspect/diagnostics.json */
  readonly json?: string;
}

export interface DiagnosticsStageResult {
  readonly record: DiagnosticsRecord;
  /** Path of what was written. */
  readonly file: string;
}

/** Takes the diagnostics of a run and writes them down. @throws as `runDiagnostics` */
export const inspectDiagnostics = async (
  options: DiagnosticsStageOptions,
  context: InspectContext = {},
): Promise<DiagnosticsStageResult> => {
  const { run, json: file = join(run, 'inspect', DIAGNOSTICS_FILE) } = options;
  const record = await runDiagnostics(run, { ...options, ...context });
  await writeDiagnostics(file, record);
  return { record, file };
};

const text = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? '-' : value.toFixed(3);

const agreementLines = (title: string, { names, cosine, purity }: AgreementRecord): readonly string[] => [
  `${title}: cosine of gradients`,
  ...plainGrid([['', ...names], ...cosine.map((row, at) => [names[at] ?? '', ...row.map(text)])]),
  `  weights by sign purity, from 0 to 1 in fifths: ${purity.map(text).join(' ')}`,
  '',
];

/** The table of a record. */
export const formatDiagnostics = ({ layer, weights, tasks, between }: DiagnosticsRecord): string =>
  [
    `Losses, and gradients over the ${weights} weights of block ${layer}`,
    '',
    ...plainGrid([
      ['task, modality alone', 'training', 'validation', 'gap', 'blend', 'loss more without'],
      ...tasks.flatMap(({ task, training, validation, gap, modalities }) => [
        [task, text(training), text(validation), text(gap), '', ''],
        ...modalities.map((each) => [
          `  ${each.modality}`,
          ...[each.training, each.validation, each.gap, each.blend, each.drop].map(text),
        ]),
      ]),
    ]),
    '',
    ...tasks.flatMap(({ task, agreement }) => (agreement ? agreementLines(task, agreement) : [])),
    ...(between
      ? [
          ...agreementLines('tasks', between),
          'affinity: share of its loss that a task (column) loses by a step of another (row)',
          ...plainGrid([
            ['', ...between.names],
            ...between.affinity.map((row, at) => [
              between.names[at] ?? '',
              ...row.map((value) => value.toExponential(1)),
            ]),
          ]),
        ]
      : []),
  ].join('\n');
