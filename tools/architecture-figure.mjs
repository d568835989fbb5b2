/**
 * Draws docs/images/architecture.svg, the data's way from file to loss: `node tools/architecture-figure.mjs` after a build.
 * Rooms are boxes with their package; what passes from one to the next stands on the arrows.
 */
import { dark, element, light, text } from '@polygate/figures';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BOX = { width: 168, height: 62 };
const GAP = 78;
const LEFT = 16;
const ROW = 150;
const TOP = 44;

/** Each row is one process; `passes` stands on the arrow to the next room. */
const rows = [
  {
    title: 'prepare: raw files to a suite, once',
    rooms: [
      { name: 'reader', owner: 'datasets', passes: 'samples' },
      { name: 'splits, overlaps', owner: 'app-prepare', passes: 'samples' },
      { name: 'kind: rows', owner: 'datasets', passes: 'batches' },
      { name: 'shards', owner: 'stream' },
    ],
  },
  {
    title: 'pretrain: one step of one task',
    rooms: [
      { name: 'source, order', owner: 'generalist, stream', passes: 'rows' },
      { name: 'family: collate', owner: 'tasks', passes: 'segments' },
      { name: 'modality: embed', owner: 'modalities', passes: 'tokens' },
      { name: 'blocks, experts', owner: 'encoder, routers' },
    ],
  },
  {
    title: 'the same step, back',
    rooms: [
      { name: 'checkpoint, metrics', owner: 'training', passes: 'weights', isReversed: true },
      { name: 'optimizer', owner: 'nn', passes: 'gradients', isReversed: true },
      { name: 'train: update', owner: 'training', passes: 'loss', isReversed: true },
      { name: 'model: loss', owner: 'generalist, losses' },
    ],
  },
  {
    title: 'a trained run',
    rooms: [
      { name: 'openRun', owner: 'runs', passes: 'model' },
      { name: 'family: evaluate', owner: 'tasks, evaluation', passes: 'scores' },
      { name: 'report, answers', owner: 'app-evaluate, -predict' },
    ],
  },
];

const xOf = (column) => LEFT + column * (BOX.width + GAP);
const yOf = (row) => TOP + row * ROW;
const middle = (row) => yOf(row) + BOX.height / 2;

const boxOf = ({ name, owner }, row, column) => [
  element('rect', { x: xOf(column), y: yOf(row), ...BOX, rx: 8, class: 'room' }),
  text(name, { x: xOf(column) + BOX.width / 2, y: middle(row) - 4, class: 'name' }),
  text(owner, { x: xOf(column) + BOX.width / 2, y: middle(row) + 16, class: 'owner' }),
];

const arrow = ([x1, y1], [x2, y2], label) => [
  element('line', { x1, y1, x2, y2, class: 'way', 'marker-end': 'url(#head)' }),
  ...(label === undefined
    ? []
    : [
        text(label, {
          x: (x1 + x2) / 2 + (x1 === x2 ? 10 : 0),
          y: (y1 + y2) / 2 - (x1 === x2 ? -4 : 8),
          class: x1 === x2 ? 'passes beside' : 'passes',
        }),
      ]),
];

const arrowOf = (room, row, column) => {
  if (room.passes === undefined) return [];
  const [from, to] = [xOf(column) + BOX.width + 4, xOf(column + 1) - 4];
  const ends = [
    [from, middle(row)],
    [to, middle(row)],
  ];
  const [start, end] = room.isReversed ? ends.reverse() : ends;
  return arrow(start, end, room.passes);
};

const last = xOf(3) + BOX.width / 2;
const first = xOf(0) + BOX.width / 2;
const down = (row) => [yOf(row) + BOX.height + 4, yOf(row + 1) - 4];
/** From the suite to the source; from the blocks to the loss; from the checkpoint to whoever opens it. */
const between = [
  [
    element('polyline', {
      points: `${last},${down(0)[0]} ${last},${down(0)[0] + 26} ${first},${down(0)[0] + 26}`,
      class: 'way',
    }),
  ],
  [
    text('suite: shards, tokenizer, suite.json', {
      x: (first + last) / 2,
      y: down(0)[0] + 20,
      class: 'passes',
    }),
  ],
  arrow([first, down(0)[0] + 26], [first, down(0)[1]]),
  arrow([last, down(1)[0]], [last, down(1)[1]], 'features'),
  arrow([first, down(2)[0]], [first, down(2)[1]], 'run folder'),
].flat();

const colours = (theme) =>
  [
    `.room{fill:${theme.surface};stroke:${theme.ink};stroke-width:1.5}`,
    `.name,.title{fill:${theme.ink}}.owner,.passes{fill:${theme.ink};opacity:.75}`,
    `.way{stroke:${theme.ink};stroke-width:1.5;fill:none}#head path{fill:${theme.ink}}`,
    `.ground{fill:${theme.surface}}`,
  ].join('');
const style = [
  'text{font-family:system-ui,sans-serif;text-anchor:middle}',
  '.name{font-size:14px;font-weight:600}.owner{font-size:12px}.passes{font-size:12px;font-style:italic}',
  '.title{font-size:13px;text-anchor:start}.beside{text-anchor:start}',
  colours(light),
  `@media (prefers-color-scheme: dark){${colours(dark)}}`,
].join('');

const width = xOf(3) + BOX.width + LEFT + 60;
const height = yOf(rows.length - 1) + BOX.height + 20;
const body = rows.flatMap(({ title, rooms }, row) => [
  // An arrow comes in from above on the left of the second and the last row.
  text(title, { x: row % 2 === 1 ? xOf(1) : LEFT, y: yOf(row) - 12, class: 'title' }),
  ...rooms.flatMap((room, column) => [...boxOf(room, row, column), ...arrowOf(room, row, column)]),
]);
const svg = element(
  'svg',
  {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-labelledby': 'title',
  },
  [
    element('title', { id: 'title' }, [
      'The way of data from a file to the loss, and from a run to its scores',
    ]),
    `<style>${style}</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
    element('rect', { x: 0, y: 0, width, height, class: 'ground' }),
    ...body,
    ...between,
  ],
);
writeFileSync(join(import.meta.dirname, '..', 'docs/images/architecture.svg'), `${svg}\n`);
