/** Score reports as a table for people: markdown, or plain text with aligned columns. */
import type { ScoreReport } from './score-report.ts';

export interface TableOptions {
  /** @default 'plain' */
  readonly style?: 'plain' | 'markdown';
  /** Significant digits. @default 3 */
  readonly digits?: number;
}

const headings = ['task', 'split', 'metric', 'value', 'interval', 'chance', 'baselines', 'n'] as const;
/** Columns that are aligned to the right. */
const numeric: ReadonlySet<string> = new Set(['value', 'chance', 'n']);

/** A number with the given significant digits, without an exponent. */
export const formatNumber = (value: number, digits = 3): string => {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(digits - 1 - magnitude, 0), 12));
};

/** Both ends, or what is known of them: JSON has null for an infinite end. */
const intervalText = (interval: readonly (number | null)[], number: (value: number) => string): string => {
  const ends = interval.map((end) => (end !== null && Number.isFinite(end) ? number(end) : 'unknown'));
  return ends.every((end) => end === 'unknown') ? 'unknown' : ends.join(' to ');
};

/** Samples, and the sizes of the gallery where there is one. */
const countText = ({ count, gallery = {} }: ScoreReport): string => {
  const sizes = Object.entries(gallery).map(([name, size]) => `${size} ${name}`);
  return sizes.length === 0 ? String(count) : `${count} (gallery: ${sizes.join(', ')})`;
};

const cellsOf = (report: ScoreReport, digits: number): readonly string[] => {
  const number = (value: number): string => formatNumber(value, digits);
  const baselines = Object.entries(report.baselines).map(([name, value]) => `${name} ${number(value)}`);
  return [
    report.task,
    report.split,
    report.better === 'lower' ? `${report.metric} (lower is better)` : report.metric,
    number(report.value),
    intervalText(report.interval, number),
    report.chance === null ? '-' : number(report.chance),
    baselines.length === 0 ? '-' : baselines.join(', '),
    countText(report),
  ];
};

const headingsFor = (reports: readonly ScoreReport[]): readonly string[] => {
  const confidences = new Set(reports.map((report) => report.confidence));
  const [only] = confidences;
  return headings.map((name) =>
    name === 'interval' && confidences.size === 1 && only !== undefined
      ? `${formatNumber(only * 100, 2)} % interval`
      : name,
  );
};

/** The reports as a table, one a row, in the given order; ends with a newline. */
export const formatScores = (reports: readonly ScoreReport[], options: TableOptions = {}): string => {
  const { style = 'plain', digits = 3 } = options;
  const rows = [headingsFor(reports), ...reports.map((report) => cellsOf(report, digits))];
  if (style === 'markdown') {
    const line = (cells: readonly string[]): string =>
      `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
    const rule = headings.map((name) => (numeric.has(name) ? '---:' : '---'));
    const [first, ...rest] = rows;
    return [first ?? [], rule, ...rest].map(line).join('');
  }
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return numeric.has(headings[column] ?? '') ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
};
