/** Interference as a table for a terminal. */
import type { Estimate, InterferenceRecord, SiteRecord } from '@polygate/interference';
import { formatError, formatValue, shortNames } from './numbers.ts';
import { plainGrid } from './plain-grid.ts';

type Matrix = SiteRecord['firstOrder'];

/** Terminals and their tools like a plain hyphen better. */
const plain = (text: string): string => text.replaceAll('\u2212', '-').replaceAll('–', '-');

const short = (value: number): string => plain(formatValue(value));

const withError = ({ value, standardError }: Estimate): string =>
  Number.isFinite(value) ? `${short(value)} ${plain(formatError(standardError))}` : '-';

/** A denominator that may as well be 0. */
const weak = ({ value, standardError }: Estimate): boolean => !(value > 2 * standardError);

/** What a site is, in words. */
const siteTitle = ({
  layer,
  layers,
  linear,
  experts,
  condition,
}: Omit<SiteRecord, 'firstOrder' | 'exact'>): string =>
  `layer ${layer} of ${layers}, ${linear}, ${experts === 0 ? 'dense' : `${experts} experts by ${condition ?? 'condition'}`}`;

/** The table of a record: one block per site and method. */
export const formatInterference = (record: InterferenceRecord): string => {
  const { batches, directions } = record;
  const tasks = shortNames(record.tasks);
  const block = (title: string, matrix: Matrix): readonly string[] => {
    const head = ['effect on \\ of a step of', ...tasks];
    const main = matrix.cells.map((row, i) => [
      `${tasks[i] ?? ''}${weak(matrix.own[i] ?? { value: 0, standardError: 0 }) ? ' *' : ''}`,
      ...row.map((cell, j) => (i === j ? '1' : withError(cell.ratio))),
    ]);
    const beside = matrix.cells.map((row, i) => [
      tasks[i] ?? '',
      ...row.map((cell, j) => (i === j ? '1, 1' : `${short(cell.mean.value)}, ${short(cell.median.value)}`)),
    ]);
    return [
      title,
      ...plainGrid([head, ...main]),
      '  mean of ratios (equation 2 of the paper), median of ratios:',
      ...plainGrid([head.map((text, at) => (at === 0 ? '' : text)), ...beside]).map((line) => `  ${line}`),
      '',
    ];
  };
  const { updates, rounds } = record;
  const blocks = [
    ...record.sites.flatMap((site) => {
      const of = (method: string): string => `${siteTitle(site)} (${method})`;
      return [
        ...block(of(`first order, ${batches} batches a task`), site.firstOrder),
        ...(site.exact
          ? block(of(`exact, ${directions} steps a batch, ${batches} batches a task`), site.exact)
          : []),
      ];
    }),
    ...(record.model
      ? block(`all weights (${updates} updates in a row, ${rounds} rounds a task)`, record.model.updates)
      : []),
  ];
  const starred = blocks.some((line) => / \*(?: |$)/u.test(line));
  return [
    ...blocks,
    'Ratio of means ± standard error: the change of the row task’s loss by a step (or updates) of the column task, in units',
    'of the change by its own. Below 0 it hurts, 1 is as good as its own.',
    ...(starred
      ? [
          '* this task’s own steps hardly lower its loss here (less than two standard errors): its row says little.',
        ]
      : []),
    ...(record.repeated.length > 0
      ? [
          `Some samples come in more than one batch of ${record.repeated.join(', ')}: errors are too small there.`,
        ]
      : []),
  ].join('\n');
};
