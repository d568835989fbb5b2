/** What experts had to do over a run: their load by time and layer, and how even it was. */
import { gridFigure, heatMap, lineChart, type CurvePoint, type Figure } from '@polygate/figures';
import type { RoutingEntry } from './metrics-log.ts';

const BINS = 32;
/** Share of the run at its end that "by layer" is averaged over. */
const LATE = 0.25;

const linearsTitle = (linears: readonly string[]): string =>
  linears.every((name) => name.startsWith('attention'))
    ? 'attention'
    : linears.every((name) => name.startsWith('ffn'))
      ? 'ffn'
      : linears.join(' + ');

type Site = RoutingEntry['sites'][number];

/** Means weighted by tokens of a site's loads over some records; NaN where there are none. */
const meanLoad = (records: readonly RoutingEntry[], site: number, experts: number): readonly number[] => {
  const sums = new Array<number>(experts).fill(0);
  let total = 0;
  for (const { sites } of records) {
    const report = sites[site];
    if (!report) continue;
    total += report.tokens;
    for (let e = 0; e < experts; e += 1) sums[e] = (sums[e] ?? 0) + report.tokens * (report.load[e] ?? 0);
  }
  return sums.map((sum) => sum / total);
};

/** Records in stretches of equal length over the run, empty ones left out. */
const binsOf = (
  records: readonly RoutingEntry[],
): readonly { readonly end: number; readonly records: RoutingEntry[] }[] => {
  const last = Math.max(...records.map(({ step }) => step));
  const bins = Array.from({ length: BINS }, (_, at) => ({
    end: Math.round(((at + 1) * last) / BINS),
    records: [] as RoutingEntry[],
  }));
  for (const record of records) {
    bins[Math.min(BINS - 1, Math.floor(((record.step - 1) * BINS) / last))]?.records.push(record);
  }
  return bins.filter((bin) => bin.records.length > 0);
};

const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;

const siteName = ({ block, linears }: Site): string => `layer ${block + 1}, ${linearsTitle(linears)}`;

const expertNames = (experts: number): readonly string[] =>
  Array.from({ length: experts }, (_, e) => (experts <= 8 || e % 4 === 0 ? String(e + 1) : ''));

/** Load of each expert over time, a panel for each router. @returns undefined without records */
export const loadOverTime = (records: readonly RoutingEntry[], subject: string): Figure | undefined => {
  const [first] = records;
  if (!first) return undefined;
  const bins = binsOf(records);
  const { experts } = first;
  const loads = first.sites.map((_, site) => bins.map((bin) => meanLoad(bin.records, site, experts)));
  const maximum = Math.min(1, Math.max(...loads.flat(2)));
  const panels = first.sites.map((site, at) =>
    heatMap({
      title: siteName(site),
      description: '',
      rows: expertNames(experts),
      groups: [{ label: `expert by step, to ${bins.at(-1)?.end ?? 0}`, columns: bins.map(() => '') }],
      cells: Array.from({ length: experts }, (_, e) =>
        bins.map(({ end }, bin) => {
          const value = loads[at]?.[bin]?.[e] ?? NaN;
          return {
            value,
            hover: `${siteName(site)}, expert ${e + 1}\nto step ${end}: ${percent(value)} of choices`,
          };
        }),
      ),
      maximum,
      legend: at === 0 ? 'share of choices' : '',
      cellWidth: 6.5,
      cellHeight: experts > 8 ? 8 : 11,
      labelWidth: 26,
      key: at === 0,
    }),
  );
  return gridFigure(panels, {
    title: `${subject}: expert load over time`,
    description: `Share of the choices of ${experts} experts at ${first.sites.length} routers over ${bins.length} stretches of the run, all tasks together. An even share is ${percent(1 / experts)}.`,
    columns: 4,
    gap: 18,
  });
};

/** Load of each expert at the end of a run, by layer. @returns undefined without records */
export const loadByLayer = (records: readonly RoutingEntry[], subject: string): Figure | undefined => {
  const [first] = records;
  if (!first) return undefined;
  const last = Math.max(...records.map(({ step }) => step));
  const late = records.filter(({ step }) => step > (1 - LATE) * last);
  const { experts } = first;
  const tasks = ['all tasks', ...new Set(late.map(({ task }) => task))];
  const panels = tasks.map((task, at) => {
    const shown = task === 'all tasks' && at === 0 ? late : late.filter((record) => record.task === task);
    return heatMap({
      title: task,
      description: '',
      rows: first.sites.map(siteName),
      groups: [{ label: 'expert', columns: expertNames(experts) }],
      cells: first.sites.map((site, index) =>
        meanLoad(shown, index, experts).map((value, e) => ({
          value,
          hover: `${task}\n${siteName(site)}, expert ${e + 1}: ${percent(value)} of choices`,
        })),
      ),
      maximum: 1,
      legend: 'share of choices',
      cellWidth: experts > 8 ? 12 : 20,
      key: at === 0,
    });
  });
  return gridFigure(panels, {
    title: `${subject}: expert load by layer and task`,
    description: `Mean share of choices over the last quarter of the run at ${first.sites.length} routers. ${tasks.slice(1).join(', ')} each have a panel of their own.`,
    columns: 3,
  });
};

interface Measure {
  readonly title: string;
  readonly label: string;
  readonly of: (site: Site) => number;
}

const measures: readonly Measure[] = [
  { title: 'How uneven experts are used', label: 'max load / mean - 1', of: (site) => site.maximumViolation },
  { title: 'How undecided routers are', label: 'entropy, nats', of: (site) => site.entropy },
  { title: 'Choices without a slot', label: 'share dropped', of: (site) => site.droppedFraction },
];

/** Evenness, entropy and drops over time, averaged over routers, a curve for each task. @returns undefined without records */
export const routingHealth = (records: readonly RoutingEntry[], subject: string): Figure | undefined => {
  if (records.length === 0) return undefined;
  const tasks = [...new Set(records.map(({ task }) => task))];
  const panels = measures.flatMap(({ title, label, of }) => {
    const series = tasks.map((task) => ({
      name: task,
      points: records
        .filter((record) => record.task === task && record.sites.length > 0)
        .map(({ step, sites }): CurvePoint => ({
          x: step,
          y: sites.reduce((sum, site) => sum + of(site), 0) / sites.length,
        })),
    }));
    // Conditions on rows never drop: a flat line at 0 tells nothing.
    if (of === measures[2]?.of && series.every(({ points }) => points.every(({ y }) => y === 0))) return [];
    return [lineChart(series, { title, x: { label: 'step' }, y: { label, include: [0] }, legend: false })];
  });
  return gridFigure(panels, {
    title: `${subject}: routing over time`,
    description: panels.map(({ title, description }) => `${title}: ${description}`).join('. '),
    columns: 3,
  });
};
