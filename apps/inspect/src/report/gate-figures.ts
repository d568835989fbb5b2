/** Heat maps of gates: a row for each kind of token, a group of columns for each layer, a column for each expert. */
import { heatMap, type Figure } from '@polygate/figures';
import type { GateSiteView, GateTable } from './gate-table.ts';

/** Widest figure, in pixels. */
const WIDTH = 1080;
const CELL = { least: 8, most: 20 } as const;
const GAP = 8;

const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;

/** What the linears of a site are together. */
const linearsTitle = (linears: readonly string[]): string => {
  const key = linears.join(' + ');
  if (key === 'attention.qkv + attention.output') return 'self-attention';
  if (key === 'ffn.fc1 + ffn.fc2') return 'feed-forward';
  return key;
};

/** Layers in as many rows as the width asks for. */
const bandsOf = (sites: readonly GateSiteView[], table: GateTable, labelWidth: number): GateSiteView[][] => {
  const room = WIDTH - labelWidth;
  const perBand = Math.max(1, Math.floor((room + GAP) / (table.experts * CELL.least + GAP)));
  const count = Math.ceil(sites.length / perBand);
  const size = Math.ceil(sites.length / count);
  return Array.from({ length: count }, (_, band) => sites.slice(band * size, (band + 1) * size));
};

const topOf = (values: readonly number[]): number => values.indexOf(Math.max(...values));

const describe = (table: GateTable, sites: readonly GateSiteView[]): string => {
  const [deepest] = sites.slice(-1);
  if (!deepest) return '';
  const tops = table.rows.map(({ label }, row) => `${label} expert ${topOf(deepest.values[row] ?? []) + 1}`);
  return `In layer ${deepest.layer} the first choices are: ${tops.join('; ')}.`;
};

/** One figure per kind of site (self-attention, feed-forward), or several where the layers don't fit side by side. */
export const gateFigures = (table: GateTable, subject: string): readonly Figure[] => {
  const kinds = [...new Set(table.sites.map(({ linears }) => linearsTitle(linears)))];
  const labelWidth = 12 + 6.6 * Math.max(0, ...table.rows.map(({ label }) => label.length));
  return kinds.flatMap((kind) => {
    const sites = table.sites.filter(({ linears }) => linearsTitle(linears) === kind);
    const bands = bandsOf(sites, table, labelWidth);
    return bands.map((band) => {
      const room = WIDTH - labelWidth - GAP * (band.length - 1);
      const width = Math.floor(room / (band.length * table.experts));
      const range = bands.length > 1 ? `, layers ${band[0]?.layer ?? ''} to ${band.at(-1)?.layer ?? ''}` : '';
      const what = table.meaning === 'gate' ? 'gate' : 'share of choices';
      return heatMap({
        title: `${subject}: ${kind}${range}`,
        description: `${what} of ${table.experts} experts for ${table.rows.length} kinds of tokens in ${band.length} layers, routed by ${table.condition}. ${describe(table, band)}`,
        rows: table.rows.map(({ label }) => label),
        groups: band.map(({ layer }) => ({
          label: `layer ${layer}`,
          columns: Array.from({ length: table.experts }, (_, e) => (width >= 14 ? String(e + 1) : '')),
        })),
        cells: table.rows.map(({ label, detail }, row) =>
          band.flatMap(({ layer, values }) => {
            const gates = values[row] ?? [];
            const top = topOf(gates);
            return gates.map((value, expert) => ({
              value,
              marked: expert === top,
              hover: `${label}\nlayer ${layer} ${kind}, expert ${expert + 1}: ${what} ${percent(value)}\n${detail}`,
            }));
          }),
        ),
        maximum: 1,
        legend: `${what}; outlined: the first choice`,
        cellWidth: Math.max(CELL.least, Math.min(CELL.most, width)),
        labelWidth,
      });
    });
  });
};
