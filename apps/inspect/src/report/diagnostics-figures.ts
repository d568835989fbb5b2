/** The diagnostics of SM^4 (appendix) in a report: cosines of gradients as matrices, and how each modality fits as a table. */
import { signedMatrix, type Figure, type MatrixCell } from '@polygate/figures';
import type { AgreementRecord, DiagnosticsRecord } from '@polygate/interference';
import { formatValue } from '../numbers.ts';

/** A measured run as figures know it. */
export interface NamedDiagnostics {
  readonly name: string;
  readonly record: DiagnosticsRecord;
}

const cosineFigure = (title: string, { names, cosine, purity }: AgreementRecord): Figure => {
  const pairs = cosine.flatMap((row, i) =>
    row.slice(0, i).map((value, j) => ({ pair: `${names[j] ?? ''} and ${names[i] ?? ''}`, value })),
  );
  const lowest = pairs.reduce<(typeof pairs)[number] | undefined>(
    (least, each) => (least && least.value <= each.value ? least : each),
    undefined,
  );
  const agreed = (purity[0] ?? 0) + (purity.at(-1) ?? 0);
  return signedMatrix({
    title,
    description: `${lowest ? `Lowest: ${lowest.pair} ${formatValue(lowest.value)}. ` : ''}Gradients agree on the sign of ${formatValue(100 * agreed)} % of the weights.`,
    rowTitle: 'gradient of',
    columnTitle: 'and of',
    rows: names,
    columns: names,
    cells: cosine.map((row, i) =>
      row.map((value, j): MatrixCell => ({
        value,
        text: formatValue(value),
        neutral: i === j,
        hover: `${names[i] ?? ''} and ${names[j] ?? ''}: cosine ${formatValue(value)}`,
      })),
    ),
  });
};

/** For each run a matrix of the modalities of every task, and one of the tasks. */
export const diagnosticsFigures = (runs: readonly NamedDiagnostics[]): readonly Figure[] =>
  runs.flatMap(({ name, record: { tasks, between } }) => [
    ...tasks.flatMap(({ task, agreement }) =>
      agreement ? [cosineFigure(`${name}: modalities of ${task}`, agreement)] : [],
    ),
    ...(between ? [cosineFigure(`${name}: tasks`, between)] : []),
  ]);

const text = (value: number | null): string => (value === null ? '–' : formatValue(value));

/** Losses, gaps and blends; the first row is the head. */
export const diagnosticsTable = (runs: readonly NamedDiagnostics[]): readonly (readonly string[])[] => [
  ['run, task, modality alone', 'training loss', 'validation loss', 'gap', 'blend', 'loss more without'],
  ...runs.flatMap(({ name, record }) =>
    record.tasks.flatMap(({ task, modalities, ...whole }) => [
      [`${name}, ${task}`, text(whole.training), text(whole.validation), text(whole.gap), '', ''],
      ...modalities.map((each) => [
        `${name}, ${task}, ${each.modality}`,
        ...[each.training, each.validation, each.gap, each.blend, each.drop].map(text),
      ]),
    ]),
  ),
];
