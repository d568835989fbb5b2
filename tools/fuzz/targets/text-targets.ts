/** Lines, paragraphs, tables, JSON lines and gzip: what comes as text. */
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseJson } from '@polygate/core';
import {
  openCaptionsCsv,
  openJsonlManifest,
  openLabelledTable,
  openLabelledTsv,
  openPlainText,
} from '@polygate/datasets';
import { readDelimited } from '../../../packages/datasets/src/tables/delimited.ts';
import { readLines } from '../../../packages/datasets/src/tables/lines.ts';
import { mutateJson, mutateJsonLine } from '../json-mutations.ts';
import { expectRight, type FuzzTarget } from '../target.ts';
import { textMutations } from '../text-mutations.ts';
import { checkKeys, fileIn, readTwice, utf8 } from './reading.ts';
import { tinyImage } from './images.ts';

const IMAGES = ['a.png', 'b.png', 'c.png'];

/** A folder of images that tables name. */
const imagesIn = async (folder: string): Promise<string> => {
  for (const name of IMAGES) await writeFile(join(folder, name), await tinyImage());
  return folder;
};

const json: FuzzTarget = {
  name: 'json',
  errors: ['FormatError'],
  open: async () => ({
    seeds: [
      utf8('{"a":[1,2.5,-3e2,true,null,"text \\u00e9"],"b":{"c":{"d":[[[]]]}}}'),
      utf8('\uFEFF[{"id":1},{"id":2}]'),
      utf8('"a text"'),
    ],
    mutators: [mutateJson],
    async parse(bytes) {
      const value = parseJson(bytes, 'input');
      const text = Buffer.from(bytes)
        .toString('utf8')
        .replace(/^\uFEFF/u, '');
      expectRight(JSON.stringify(value) === JSON.stringify(JSON.parse(text)), 'not what JSON.parse makes');
    },
  }),
};

const prose = 'One line of text.\n\nA second paragraph\nof two lines, caf\u00e9 \u{1F642}.\n\nThe third.\n';

const lines: FuzzTarget = {
  name: 'lines',
  errors: ['FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'text.txt');
    return {
      seeds: [utf8(prose), utf8(prose.replaceAll('\n', '\r\n')), gzipSync(prose), utf8('\uFEFFone\rtwo\r')],
      mutators: textMutations,
      async parse(bytes) {
        const path = await save(bytes);
        const lineTexts: string[] = [];
        let bad = 0;
        for await (const line of readLines(path)) {
          if (line.kind === 'line') lineTexts.push(line.text);
          else bad += 1;
        }
        const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : Buffer.from(bytes);
        const text = plain.toString('utf8');
        if (bad > 0 || text.includes('\uFFFD')) return;
        const body = text.replace(/^\uFEFF/u, '');
        const ended = body.includes('\n') ? body : body.replaceAll('\r', '\n');
        const expected = ended.split('\n').map((line) => line.replace(/\r$/u, ''));
        if (expected.at(-1) === '' && ended.endsWith('\n')) expected.pop();
        if (ended === '') expected.pop();
        expectRight(
          lineTexts.join('\n') === expected.join('\n'),
          `${lineTexts.length} lines, not ${expected.length}`,
        );
      },
    };
  },
};

const plainText: FuzzTarget = {
  name: 'plain-text',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'book.txt');
    return {
      seeds: [utf8(prose), gzipSync(prose)],
      mutators: textMutations,
      async parse(bytes) {
        const files = [await save(bytes)];
        for (const unit of ['line', 'paragraph', 'document'] as const)
          await checkKeys(await readTwice(await openPlainText({ files, unit })));
      },
    };
  },
};

const csv =
  'image,caption,split\na.png,"a cat, ""asleep""",train\nb.png,two\u00e9 dogs,test\nc.png,"a\nbird",train\n';

const delimited: FuzzTarget = {
  name: 'delimited',
  errors: ['FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'table.csv');
    return {
      seeds: [utf8(csv), utf8(csv.replaceAll(',', '\t')), gzipSync(csv), utf8('a,b\r\n1,2\r\n')],
      mutators: textMutations,
      async parse(bytes) {
        const path = await save(bytes);
        for (const quoting of [true, false]) {
          const rows: string[] = [];
          let bad = 0;
          for await (const item of readDelimited(path, { delimiter: ',', quoting })) {
            if (item.kind === 'record') rows.push(item.fields.join('\0'));
            else bad += 1;
          }
          const text = Buffer.from(bytes)
            .toString('utf8')
            .replace(/^\uFEFF/u, '');
          // Without quotes a table is lines and commas.
          if (quoting || bad > 0 || bytes[0] === 0x1f || text.includes('\uFFFD') || text.includes('\0'))
            continue;
          const ended = text.includes('\n') ? text : text.replaceAll('\r', '\n');
          const expected = ended
            .split('\n')
            .map((line) => line.replace(/\r$/u, '').replaceAll(',', '\0'))
            .filter((line) => line !== '');
          expectRight(rows.join('\n') === expected.join('\n'), `${rows.length} rows, not ${expected.length}`);
        }
      },
    };
  },
};

const captionsCsv: FuzzTarget = {
  name: 'captions-csv',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const images = await imagesIn(folder);
    const save = fileIn(folder, 'captions.csv');
    return {
      seeds: [
        utf8(csv),
        utf8('image|caption\na.png|a cat\nb.png|two dogs\n'),
        utf8('image,caption\na.png#0,one\na.png#1,two\nb.png#0,three\n'),
      ],
      mutators: textMutations,
      async parse(bytes) {
        const file = await save(bytes);
        await checkKeys(await readTwice(await openCaptionsCsv({ file, images })));
      },
    };
  },
};

const labelledTable: FuzzTarget = {
  name: 'labelled-table',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const images = await imagesIn(folder);
    const save = fileIn(folder, 'labels.csv');
    return {
      seeds: [
        utf8('image_id,label,split\na,cat,train\nb,dog,train\nc,cat,test\n'),
        utf8('image;label\na.png;0\nb.png;1\nc.png;0\n'),
      ],
      mutators: textMutations,
      async parse(bytes) {
        const file = await save(bytes);
        await readTwice(await openLabelledTable({ file, images }));
      },
    };
  },
};

const labelledTsv: FuzzTarget = {
  name: 'labelled-tsv',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'train.tsv');
    return {
      seeds: [
        utf8('sentence\tlabel\na good film\t1\na "bad" film\t0\n'),
        utf8('label\tsentence\nx\tone\ny\ttwo\n'),
      ],
      mutators: textMutations,
      async parse(bytes) {
        const options = { file: await save(bytes), textColumns: ['sentence'], labelColumn: 'label' };
        await readTwice(await openLabelledTsv(options));
      },
    };
  },
};

const jsonl: FuzzTarget = {
  name: 'jsonl',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    await imagesIn(folder);
    const save = fileIn(folder, 'rows.jsonl');
    const rows = [
      { image: 'a.png', text: 'a cat', label: 'cat', split: 'train', id: 'one' },
      { image: { path: 'b.png' }, captions: ['a dog', { raw: 'two dogs' }], label: 1 },
      { text: 'a text alone', label: 'cat' },
    ];
    const text = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
    return {
      seeds: [utf8(text), gzipSync(text)],
      mutators: [mutateJsonLine, ...textMutations],
      async parse(bytes) {
        const file = await save(bytes);
        for (const findClasses of [true, false])
          await checkKeys(await readTwice(await openJsonlManifest({ file, findClasses })));
      },
    };
  },
};

export const textTargets: readonly FuzzTarget[] = [
  json,
  lines,
  plainText,
  delimited,
  captionsCsv,
  labelledTable,
  labelledTsv,
  jsonl,
];
