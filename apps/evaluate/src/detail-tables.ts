/** Scores that say more of a task, as markdown: the scores themselves, their classes, and how sure the model was. */
import { formatNumber, formatScores, type ClassRow, type ScoreReport } from '@polygate/evaluation';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const share = (value: number | null): string =>
  value === null || Number.isNaN(value) ? '-' : formatNumber(value);

const classLine = (row: ClassRow, name: string): string =>
  line([
    name,
    ...[row.precision, row.recall, row.f1, row.auroc, row.averagePrecision].map(share),
    formatNumber(row.predictions),
    String(row.samples),
  ]);

const classTable = ({ split, tables }: ScoreReport): readonly string[] => {
  const { classes = [], averages = [] } = tables ?? {};
  if (classes.length === 0) return [];
  return [
    `Classes of ${cell(split)}:`,
    '',
    line(['class', 'precision', 'recall', 'F1', 'AUROC', 'average precision', 'predicted', 'n']),
    line(['---', ...Array.from({ length: 7 }, () => '---:')]),
    ...classes.map((row) => classLine(row, cell(row.name))),
    ...averages.map((row) => classLine(row, `*${row.name} average*`)),
    '',
  ];
};

const reliabilityTable = ({ split, tables }: ScoreReport): readonly string[] => {
  const bins = (tables?.reliability ?? []).filter(({ count }) => count > 0);
  if (bins.length === 0) return [];
  return [
    `Confidence of ${cell(split)}:`,
    '',
    line(['confidence', 'mean', 'right', 'n']),
    line(['---', '---:', '---:', '---:']),
    ...bins.map(({ low, high, confidence, accuracy, count }) =>
      line([
        `${formatNumber(low)} to ${formatNumber(high)}`,
        share(confidence),
        share(accuracy),
        String(count),
      ]),
    ),
    '',
  ];
};

/** Lines of markdown; none where there are no details. */
export const detailTables = (details: readonly ScoreReport[]): readonly string[] => {
  if (details.length === 0) return [];
  const tables = details.flatMap((report) => [...classTable(report), ...reliabilityTable(report)]);
  return [
    formatScores(details, { style: 'markdown' }).trimEnd(),
    '',
    ...(tables.length > 0
      ? ['<details><summary>Classes and confidence</summary>', '', ...tables, '</details>', '']
      : []),
  ];
};
