import { describe, expect, it } from 'vitest';
import { gridFigure, renderFigure } from './figure.ts';
import { heatMap } from './heat-map.ts';
import { lineChart } from './line-chart.ts';
import { signedMatrix } from './signed-matrix.ts';

const count = (text: string, part: string): number => text.split(part).length - 1;
const rectangles = (svg: string, kind: string): { x: number; width: number }[] =>
  [...svg.matchAll(/<rect ([^>]*)>/gu)]
    .map(([, attributes = '']) => attributes)
    .filter((attributes) => attributes.includes(kind))
    .map((attributes) => ({
      x: Number(/\bx="([^"]*)"/u.exec(attributes)?.[1]),
      width: Number(/\bwidth="([^"]*)"/u.exec(attributes)?.[1]),
    }));

describe('lineChart', () => {
  const chart = lineChart(
    [
      {
        name: 'first',
        points: [
          { x: 0, y: 0 },
          { x: 10, y: 4 },
        ],
        raw: [
          { x: 0, y: 1 },
          { x: 10, y: 3 },
        ],
      },
      {
        name: 'second',
        points: [
          { x: 0, y: 2 },
          { x: 5, y: 2 },
        ],
        dots: true,
      },
    ],
    { title: 'Two', x: { label: 'step' }, y: { label: 'loss' }, width: 168, height: 108 },
  );

  it('puts points where the axes say', () => {
    // Plot from x 54 to 154 and, with a legend of 20 under it, from y 50 (0) up to 8 (4).
    expect(chart.body).toContain('d="M54 50L154 8"');
    expect(chart.body).toContain('d="M54 29L104 29"');
    expect(chart.body).toContain('<circle cx="104" cy="29"');
  });

  it('lays raw curves behind the lines', () => {
    expect(chart.body.indexOf('stroke-opacity')).toBeLessThan(chart.body.indexOf('d="M54 50L154 8"'));
  });

  it('covers the plot with hover strips that name the values of every series', () => {
    const strips = rectangles(chart.body, 'pg-hit');
    expect(strips).toEqual([
      { x: 54, width: 25 },
      { x: 79, width: 50 },
      { x: 129, width: 25 },
    ]);
    expect(chart.body).toContain('<title>step 10\nfirst: 4\nsecond: 2</title>');
  });

  it('says its first and last values to those who cannot see it', () => {
    expect(chart.description).toBe('first: 0 at 0, 4 at 10; second: 2 at 0, 2 at 5');
  });

  it('names its series under the plot, with their dashes', () => {
    expect(chart.body).toContain('>second</text>');
    expect(chart.body).toContain('class="pg-line-1" stroke-width="2" stroke-dasharray="7 3"');
  });

  it('takes logarithms where asked, and refuses an empty chart', () => {
    const points = [
      { x: 0, y: 1 },
      { x: 1, y: 10 },
      { x: 2, y: 100 },
    ];
    const log = lineChart([{ name: 'a', points }], {
      title: 'log',
      x: { label: 'x' },
      y: { label: 'y', kind: 'log' },
      width: 168,
      height: 146,
    });
    // Plot from y 108 (1) to 8 (100): 10 lies in the middle.
    expect(log.body).toContain('d="M54 108L104 58L154 8"');
    expect(() => lineChart([], { title: 'none', x: { label: 'x' }, y: { label: 'y' } })).toThrow(
      'line chart "none": expected a curve with points, got none; leave the chart out',
    );
  });
});

describe('heatMap', () => {
  const cell = (value: number) => ({ value, hover: `value ${value}` });
  const options = {
    title: 'Gates',
    description: 'd',
    rows: ['image', 'text'],
    groups: [
      { label: 'layer 1', columns: ['1', '2'] },
      { label: 'layer 2', columns: ['1'] },
    ],
    cells: [
      [cell(0), { ...cell(0.5), marked: true }, cell(0.25)],
      [cell(1), cell(NaN), cell(2)],
    ],
    legend: 'gate',
    labelWidth: 50,
    cellWidth: 10,
  };

  it('colours each cell by its share of the maximum', () => {
    const { body } = heatMap({ ...options, maximum: 1, key: false });
    const shares = [...body.matchAll(/pg-heat pg-cell" fill-opacity="([^"]*)"/gu)].map(([, share]) =>
      Number(share),
    );
    // The largest is cut at 1; the cell without a value is left out.
    expect(shares).toEqual([0, 0.5, 0.25, 1, 1]);
    expect(heatMap(options).body).toContain('fill-opacity="0.13"><title>value 0.25</title>');
  });

  it('keeps a gap between groups and outlines what is marked', () => {
    const { body } = heatMap({ ...options, key: false });
    const [first, second, third] = rectangles(body, 'pg-cell');
    expect([first?.x, second?.x, third?.x]).toEqual([50.5, 60.5, 78.5]);
    expect(count(body, 'pg-mark')).toBe(1);
  });

  it('refuses rows of another length', () => {
    expect(() => heatMap({ ...options, cells: [[cell(1)], [cell(1)]] })).toThrow(
      'heat map "Gates": expected 2 rows of 3 cells, got 2 rows, row 0 of 1',
    );
  });
});

describe('signedMatrix', () => {
  const options = {
    title: 'Interference',
    description: 'd',
    rowTitle: 'effect on',
    columnTitle: 'of',
    rows: ['a', 'b'],
    columns: ['a', 'b'],
    cells: [
      [
        { value: 1, text: '1', hover: 'own', neutral: true },
        { value: -0.5, text: '-0.5', note: '± 0.1', hover: 'hurts' },
      ],
      [
        { value: 3, text: '3', hover: 'helps' },
        { value: NaN, text: '–', hover: 'unknown' },
      ],
    ],
  };

  it('shows numbers, and sign and size as colour that never hides them', () => {
    const { body } = signedMatrix(options);
    const colours = [...body.matchAll(/class="pg-(positive|negative) pg-cell" fill-opacity="([^"]*)"/gu)].map(
      ([, sign, strength]) => [sign, Number(strength)],
    );
    // Half of the strongest 0.55, rounded; 3 is cut at the maximum of 1.
    expect(colours).toEqual([
      ['positive', 0],
      ['negative', 0.28],
      ['positive', 0.55],
      ['positive', 0],
    ]);
    expect(body).toContain('>± 0.1</text>');
    expect(body).toContain('<title>hurts</title>');
  });

  it('refuses a table of another shape', () => {
    expect(() => signedMatrix({ ...options, cells: [[]] })).toThrow(
      'matrix "Interference": expected 2 rows of 2 cells, got 0',
    );
  });
});

describe('renderFigure', () => {
  const figure = { title: 'A & B', description: 'what it shows', width: 10.4, height: 5, body: '<g/>' };

  it('names the figure for screen readers', () => {
    const svg = renderFigure(figure, { id: 'one', target: 'page' });
    expect(svg).toContain('role="img" aria-labelledby="one-title one-desc"');
    expect(svg).toContain('<title id="one-title">A &amp; B</title><desc id="one-desc">what it shows</desc>');
    expect(svg).not.toContain('<style>');
  });

  it('carries its styles into a file, and only light ones into an image', () => {
    expect(renderFigure(figure, { id: 'one' })).toContain('prefers-color-scheme');
    const image = renderFigure(figure, { id: 'one', target: 'image' });
    expect(image).toContain('<style>');
    expect(image).not.toContain('prefers-color-scheme');
    expect(image).toContain('width="11" height="5"');
  });

  it('puts panels side by side, then below', () => {
    const panel = (title: string) => ({
      title,
      description: '',
      width: 100,
      height: 40,
      body: `<g id="${title}"/>`,
    });
    const grid = gridFigure([panel('a'), panel('b'), panel('c')], {
      title: 't',
      description: 'd',
      columns: 2,
      gap: 10,
    });
    // Each row is a title of 22 and a panel of 40; 10 between rows.
    expect([grid.width, grid.height]).toEqual([210, 134]);
    expect(grid.body).toContain('translate(110 0)');
    expect(grid.body).toContain('translate(0 72)');
  });
});
