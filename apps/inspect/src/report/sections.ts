/** What stands in a report, section by section, with a word on how to read it. */
import type { Figure } from '@polygate/figures';
import { diagnosticsFigures, diagnosticsTable, type NamedDiagnostics } from './diagnostics-figures.ts';
import { gateFigures } from './gate-figures.ts';
import { interferenceFigures, interferenceMeans, type NamedInterference } from './interference-figures.ts';
import { loadByLayer, loadOverTime, routingHealth } from './load-figures.ts';
import { finalLosses, lossFigure, validationFigure } from './loss-figures.ts';
import { formatValue } from '../numbers.ts';
import type { RunView } from './run-view.ts';

/** A table of a section; the first row is its head. */
export type ReportTable = readonly (readonly string[])[];

export interface ReportFigure {
  /** Unique in the report; the name of its files. */
  readonly id: string;
  readonly figure: Figure;
}

export interface ReportSection {
  readonly id: string;
  readonly title: string;
  /** Plain sentences on how to read what follows. */
  readonly lead: string;
  readonly figures: readonly ReportFigure[];
  readonly table?: ReportTable;
  /** What is missing and how to get it. */
  readonly missing?: string;
}

const defined = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value]);

const losses = (runs: readonly RunView[]): ReportSection => ({
  id: 'losses',
  title: 'Training losses',
  lead: 'One panel for each task: the smoothed loss over its raw values. Hover to read numbers. Losses of tasks with sampled candidates depend on how many are sampled, so compare runs, not tasks.',
  figures: defined(lossFigure(runs)).map((figure) => ({ id: 'losses', figure })),
  table: [
    [
      'task',
      ...runs.map(({ name }) => `smoothed loss at the end, ${name}`),
      ...(runs.length > 1 ? ['difference'] : []),
    ],
    ...finalLosses(runs).map(({ task, cells, losses: [first = NaN, second = NaN] }) => [
      task,
      ...cells,
      ...(runs.length > 1 ? [formatValue(second - first)] : []),
    ]),
  ],
});

const validations = (runs: readonly RunView[]): ReportSection => {
  const figures = ['loss', 'accuracy'].flatMap((measure) =>
    defined(validationFigure(runs, measure)).map((figure) => ({ id: `validation-${measure}`, figure })),
  );
  return {
    id: 'validation',
    title: 'Validation',
    lead: 'Loss and accuracy on held-out splits, against whole candidate sets, during training.',
    figures,
    ...(figures.length === 0 ? { missing: 'The runs hold no validation yet.' } : {}),
  };
};

const gates = (runs: readonly RunView[]): ReportSection => {
  const figures = runs.flatMap((run, at) =>
    run.gates
      .flatMap((table) => gateFigures(table, run.name))
      .map((figure, number) => ({
        id: `gates-${at + 1}-${number + 1}`,
        figure,
      })),
  );
  return {
    id: 'gates',
    title: 'Which expert each kind of token takes',
    lead: 'A row is a kind of token, a column an expert. Rows that share columns share weights; a task whose rows stand apart keeps its weights to itself.',
    figures,
    ...(figures.length === 0
      ? {
          missing:
            'No run has experts, or the run has no routing records: set telemetry.every in its recipe.',
        }
      : {}),
  };
};

const loads = (runs: readonly RunView[]): ReportSection => {
  const figures = runs.flatMap(({ name, log }, at) => [
    ...defined(loadByLayer(log.routing, name)).map((figure) => ({ id: `load-layers-${at + 1}`, figure })),
    ...defined(loadOverTime(log.routing, name)).map((figure) => ({ id: `load-time-${at + 1}`, figure })),
    ...defined(routingHealth(log.routing, name)).map((figure) => ({ id: `routing-time-${at + 1}`, figure })),
  ]);
  return {
    id: 'load',
    title: 'Expert load',
    lead: 'Share of the choices that fell on each expert. Conditions on rows may leave experts to single tasks, and uneven is fine there; where routers look at tokens, an expert without load is one that training lost.',
    figures,
    ...(figures.length === 0
      ? { missing: 'The runs hold no routing records: they are dense, or telemetry was off.' }
      : {}),
  };
};

const interference = (runs: readonly RunView[]): ReportSection => {
  const measured: readonly NamedInterference[] = runs.flatMap(({ name, interference: record }) =>
    record ? [{ name, record }] : [],
  );
  const rest = runs.filter((run) => !run.interference);
  const repeated = [...new Set(measured.flatMap(({ record }) => record.repeated))];
  return {
    id: 'interference',
    title: 'Interference between tasks',
    lead: `What a step of the column's task does to the loss of the row's task, in units of what a step of its own does: 1 is as good as its own, below 0 hurts. Numbers are ratios of means with standard errors over batches; coloured ones are clear of 0 by two errors. Hover for the mean of ratios (the paper's equation 2) and the median. A * marks a task that its own steps hardly move there: its row says little.${
      repeated.length > 0
        ? ` Some samples of ${repeated.join(', ')} came in more than one batch: errors are too small there.`
        : ''
    }`,
    figures:
      measured.length > 0
        ? interferenceFigures(measured).map((figure, at) => ({ id: `interference-${at + 1}`, figure }))
        : [],
    ...(measured.length > 0
      ? {
          table: [
            [
              'place',
              ...measured.flatMap(({ name }) => [`mean interference, ${name}`, `pairs that hurt, ${name}`]),
              'pairs compared',
            ],
            ...interferenceMeans(measured).map(({ site, means, harmful, pairs }) => [
              site,
              ...means.flatMap((mean, at) => [formatValue(mean), String(harmful[at] ?? 0)]),
              String(pairs),
            ]),
          ],
        }
      : {}),
    ...(rest.length > 0
      ? {
          missing: rest
            .map(({ run }) => `Not measured: npx polygate inspect interference --run ${run}`)
            .join('; '),
        }
      : {}),
  };
};

/** Of runs that were measured; there is no section where none was. */
const diagnostics = (runs: readonly RunView[]): readonly ReportSection[] => {
  const measured: readonly NamedDiagnostics[] = runs.flatMap(({ name, diagnostics: record }) =>
    record ? [{ name, record }] : [],
  );
  if (measured.length === 0) return [];
  return [
    {
      id: 'diagnostics',
      title: 'Modalities and tasks in the last block',
      lead: 'Cosines of mean gradients over the weights of the last block: of each task with one modality alone, and of the tasks. Below 0 a step of one undoes what the other does. The table has the losses of each modality alone; gap is validation loss less training loss, blend the weight of a modality by what it generalises.',
      figures: diagnosticsFigures(measured).map((figure, at) => ({ id: `diagnostics-${at + 1}`, figure })),
      table: diagnosticsTable(measured),
    },
  ];
};

/** All sections of a report on one run, or on one against another. */
export const reportSections = (runs: readonly RunView[]): readonly ReportSection[] => [
  losses(runs),
  validations(runs),
  gates(runs),
  loads(runs),
  interference(runs),
  ...diagnostics(runs),
];
