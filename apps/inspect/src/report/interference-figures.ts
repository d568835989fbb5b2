/** Interference matrices (Uni-Perceiver-MoE, Table 1), those of two runs side by side. */
import { gridFigure, signedMatrix, type Figure, type MatrixCell } from '@polygate/figures';
import type { InterferenceRecord, SiteRecord } from '@polygate/interference';
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
  const estimate = matrix.own[task];
  return estimate !== undefined && !(estimate.value > 2 * estimate.standardError);
};

const matrixFigure = (
  { name, record }: NamedInterference,
  { matrix, title, cellWidth }: { matrix: Matrix; title: string; cellWidth: number },
): Figure => {
  const short = shortNames(record.tasks);
  return signedMatrix({
    title: `${name} ${title}`,
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

const expertsText = (site: SiteRecord | undefined): string =>
  !site || site.experts === 0 ? 'dense' : `${site.experts} experts by ${site.condition ?? '?'}`;

/** Panels of the runs side by side. */
const beside = (panels: readonly Figure[], runs: readonly NamedInterference[], title: string): Figure =>
  gridFigure(panels, {
    title,
    description: panels.map((panel) => `${panel.title}: ${panel.description}`).join(' '),
    columns: runs.length > 1 ? runs.length : 2,
  });

/** Sites that any of the runs was measured at, each with a figure of all its matrices, and one of updates in a row. */
export const interferenceFigures = (runs: readonly NamedInterference[]): readonly Figure[] => {
  const sites = new Map<string, SiteRecord>();
  for (const { record } of runs)
    for (const site of record.sites) sites.set(keyOf(site), sites.get(keyOf(site)) ?? site);
  const most = Math.max(...runs.map(({ record }) => record.tasks.length));
  // Two matrices with their row labels have to fit side by side.
  const cellWidth = Math.max(56, Math.min(84, Math.floor((1080 / runs.length - 130) / most)));
  const bySite = [...sites].map(([key, { layer, layers, linear }]) => {
    const panels = (['firstOrder', 'exact'] as const).flatMap((method) =>
      runs.flatMap((run) => {
        const site = run.record.sites.find((each) => keyOf(each) === key);
        const matrix = site?.[method];
        if (!matrix) return [];
        const title = `(${expertsText(site)}), ${method === 'exact' ? 'exact' : 'first order'}`;
        return [matrixFigure(run, { matrix, title, cellWidth })];
      }),
    );
    return beside(panels, runs, `Interference at layer ${layer} of ${layers}, ${linear}`);
  });
  const trained = runs.flatMap((run) => {
    const { model, updates, sites: siteRecords } = run.record;
    const title = `(${expertsText(siteRecords[0])}), ${updates} updates`;
    return model ? [matrixFigure(run, { matrix: model.updates, title, cellWidth })] : [];
  });
  return trained.length === 0
    ? bySite
    : [...bySite, beside(trained, runs, 'Interference over updates of all weights on one task alone')];
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

/** Matrices of the runs that are compared, by what they were measured on. */
const places = (runs: readonly NamedInterference[]): ReadonlyMap<string, readonly (Matrix | undefined)[]> => {
  const keys = [...new Set(runs.flatMap(({ record }) => record.sites.map(keyOf)))];
  const matricesByPlace = new Map<string, readonly (Matrix | undefined)[]>(
    keys.map((key) => {
      const [layer, linear] = key.split(' ');
      const matrices = runs.map(({ record }) => record.sites.find((site) => keyOf(site) === key)?.firstOrder);
      return [`layer ${layer ?? ''}, ${linear ?? ''}`, matrices];
    }),
  );
  const updates = runs.find(({ record }) => record.model)?.record.updates;
  if (updates !== undefined) {
    matricesByPlace.set(
      `all weights, ${updates} updates`,
      runs.map(({ record }) => (record.updates === updates ? record.model?.updates : undefined)),
    );
  }
  return matricesByPlace;
};

/** One line a place: what Table 1 of the paper is read for. Runs are compared over the same pairs. */
export const interferenceMeans = (runs: readonly NamedInterference[]): readonly InterferenceMean[] => {
  const tasks = (runs[0]?.record.tasks ?? []).filter((task) =>
    runs.every(({ record }) => record.tasks.includes(task)),
  );
  return [...places(runs)].map(([site, matrices]) => {
    const measurements = runs.map(({ record }, at) => ({ record, matrix: matrices[at] }));
    const measured = measurements.filter(({ matrix }) => matrix !== undefined);
    const strong = tasks.filter((task) =>
      measured.every(({ record, matrix }) => matrix && !weak(matrix, record.tasks.indexOf(task))),
    );
    const pairs = strong.flatMap((of) => tasks.filter((by) => by !== of).map((by) => [of, by] as const));
    const ratios = measurements.map(({ record, matrix }) =>
      pairs.flatMap(([of, by]) => {
        const cell = matrix?.cells[record.tasks.indexOf(of)]?.[record.tasks.indexOf(by)];
        return cell ? [cell.ratio] : [];
      }),
    );
    return {
      site,
      means: ratios.map(
        (taskRatios) => taskRatios.reduce((sum, { value }) => sum + value, 0) / taskRatios.length,
      ),
      harmful: ratios.map(
        (taskRatios) => taskRatios.filter((ratio) => clear(ratio) && ratio.value < 0).length,
      ),
      pairs: pairs.length,
    };
  });
};
