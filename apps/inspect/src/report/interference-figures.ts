/** Interference matrices (Uni-Perceiver-MoE, Table 1), those of two runs side by side. */
import { gridFigure, signedMatrix, type Figure, type MatrixCell } from '@polygate/figures';
import type { InterferenceRecord, SiteRecord } from '../interference/interference-record.ts';
import { formatError, formatValue, shortNames } from '../numbers.ts';

type Matrix = SiteRecord['firstOrder'];

/** A measured run as figures know it. */
export interface NamedInterference {
  readonly name: string;
  readonly record: InterferenceRecord;
}

const keyOf = ({ layer, linear }: SiteRecord): string => `${layer} ${linear}`;

/** Whether a number stands clear of 0: more than two standard errors away. */
const clear = ({ value, standardError }: { value: number; standardError: number }): boolean =>
  Math.abs(value) > 2 * standardError;

const words = (estimate: { value: number; standardError: number }): string =>
  `${formatValue(estimate.value)} ${formatError(estimate.standardError)}`;

const cellsOf = (matrix: Matrix, tasks: readonly string[]): MatrixCell[][] =>
  matrix.cells.map((row, i) =>
    row.map((cell, j): MatrixCell => {
      const pair = `a step of ${tasks[j] ?? ''}, seen by ${tasks[i] ?? ''}`;
      if (i === j) return { value: 1, text: '1', neutral: true, hover: `${tasks[i] ?? ''}: 1 by definition` };
      return {
        value: cell.ratio.value,
        text: formatValue(cell.ratio.value),
        note: formatError(cell.ratio.standardError),
        neutral: !clear(cell.ratio),
        hover: [
          pair,
          `ratio of means ${words(cell.ratio)}`,
          `mean of ratios (Eq. 2) ${words(cell.mean)}`,
          `median of ratios ${words(cell.median)}`,
          ...(clear(cell.ratio) ? [] : ['within two standard errors of 0']),
        ].join('\n'),
      };
    }),
  );

const summary = (matrix: Matrix, tasks: readonly string[]): string => {
  const pairs = matrix.cells.flatMap((row, i) =>
    row.flatMap((cell, j) =>
      i === j ? [] : [{ pair: `${tasks[j] ?? ''} on ${tasks[i] ?? ''}`, ...cell.ratio }],
    ),
  );
  const judged = pairs.filter(clear).sort((a, b) => a.value - b.value);
  const worst = judged[0];
  const best = judged.at(-1);
  if (!worst || !best) return 'No interference is clear of 0.';
  return `Lowest: ${worst.pair} ${formatValue(worst.value)}; highest: ${best.pair} ${formatValue(best.value)}.`;
};

/** Whether a task's own steps hardly lower its loss: a row divided by what may as well be 0. */
const weak = (matrix: Matrix, task: number): boolean => {
  const own = matrix.own[task];
  return own !== undefined && !(own.value > 2 * own.standardError);
};

const matrixFigure = (
  { name, record }: NamedInterference,
  site: SiteRecord,
  { matrix, method, cellWidth }: { matrix: Matrix; method: string; cellWidth: number },
): Figure => {
  const short = shortNames(record.tasks);
  const experts = site.experts === 0 ? 'dense' : `${site.experts} experts by ${site.condition ?? '?'}`;
  return signedMatrix({
    title: `${name} (${experts}), ${method}`,
    description: summary(matrix, record.tasks),
    rowTitle: 'effect on',
    columnTitle: 'of a step of',
    rows: short.map((task, at) => (weak(matrix, at) ? `${task} *` : task)),
    columns: short,
    cells: cellsOf(matrix, record.tasks),
    maximum: 1,
    cellWidth,
  });
};

const methodName = (method: 'firstOrder' | 'exact' | 'updates', { updates }: InterferenceRecord): string =>
  ({ firstOrder: 'first order', exact: 'exact', updates: `${updates} updates` })[method];

/** Sites that any of the runs was measured at, each with a figure of all its matrices. */
export const interferenceFigures = (runs: readonly NamedInterference[]): readonly Figure[] => {
  const sites = new Map<string, SiteRecord>();
  for (const { record } of runs)
    for (const site of record.sites) sites.set(keyOf(site), sites.get(keyOf(site)) ?? site);
  const largest = Math.max(...runs.map(({ record }) => record.tasks.length));
  // Two matrices with their row labels have to fit side by side.
  const cellWidth = Math.max(56, Math.min(84, Math.floor((1080 / runs.length - 130) / largest)));
  return [...sites].map(([key, { layer, layers, linear }]) => {
    const panels = (['firstOrder', 'exact', 'updates'] as const).flatMap((method) =>
      runs.flatMap((run) => {
        const site = run.record.sites.find((each) => keyOf(each) === key);
        const matrix = site?.[method];
        if (!site || !matrix) return [];
        return [
          matrixFigure(run, site, {
            matrix,
            method: methodName(method, run.record),
            cellWidth,
          }),
        ];
      }),
    );
    return gridFigure(panels, {
      title: `Interference at layer ${layer} of ${layers}, ${linear}`,
      description: panels.map(({ title, description }) => `${title}: ${description}`).join(' '),
      columns: runs.length > 1 ? runs.length : 2,
    });
  });
};

export interface InterferenceMean {
  readonly site: string;
  /** Mean ratio over the pairs that are compared, by run; NaN where it was not measured. */
  readonly means: readonly number[];
  /** Of those, pairs below 0 by more than two standard errors, by run. */
  readonly harmful: readonly number[];
  /** Pairs of different tasks whose row says something in every run. */
  readonly pairs: number;
}

/** One line a site: what Table 1 of the paper is read for. Runs are compared over the same pairs. */
export const interferenceMeans = (runs: readonly NamedInterference[]): readonly InterferenceMean[] => {
  const keys = [...new Set(runs.flatMap(({ record }) => record.sites.map(keyOf)))];
  const tasks = (runs[0]?.record.tasks ?? []).filter((task) =>
    runs.every(({ record }) => record.tasks.includes(task)),
  );
  return keys.map((key) => {
    const found = runs.map(({ record }) => ({
      record,
      site: record.sites.find((site) => keyOf(site) === key),
    }));
    const measured = found.filter(({ site }) => site !== undefined);
    const strong = tasks.filter((task) =>
      measured.every(({ record, site }) => site && !weak(site.firstOrder, record.tasks.indexOf(task))),
    );
    const pairs = strong.flatMap((of) => tasks.filter((by) => by !== of).map((by) => [of, by] as const));
    const ratios = found.map(({ record, site }) =>
      pairs.flatMap(([of, by]) => {
        const cell = site?.firstOrder.cells[record.tasks.indexOf(of)]?.[record.tasks.indexOf(by)];
        return cell ? [cell.ratio] : [];
      }),
    );
    const [layer, linear] = key.split(' ');
    return {
      site: `layer ${layer ?? ''}, ${linear ?? ''}`,
      means: ratios.map((own) => own.reduce((sum, { value }) => sum + value, 0) / own.length),
      harmful: ratios.map((own) => own.filter((ratio) => clear(ratio) && ratio.value < 0).length),
      pairs: pairs.length,
    };
  });
};
