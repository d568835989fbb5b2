/**
 * A dataset reader and a kind of dataset of another package.
 *
 * `ascii-art` reads drawings of characters as images with classes; `signals` reads numbers with classes as rows of the
 * kind `labelled-signal`, which is the second record below. A recipe loads this file by
 * `extensions: ["./toy-reader.mjs"]`, a command by `--extension toy-reader.mjs`; then sources of recipes may say
 * `"source": "ascii-art"`, their settings are checked, and `prepare --from` knows both.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { batchRows, defineReader, fault, registerKind, registerReader } from '@polygate/datasets';
import { z } from 'zod';

/** Pixels of a drawing: a mark is black. [rows · columns], one channel. */
const pixelsOf = (rows, mark) => {
  const width = Math.max(...rows.map((row) => row.length));
  const pixels = Uint8Array.from(
    rows.flatMap((row) => [...row.padEnd(width)].map((sign) => (sign === mark ? 0 : 255))),
  );
  return { kind: 'pixels', pixels, height: rows.length, width, channels: 1 };
};

/** Drawings of a file, parted by blank lines; the first line of each is its class. */
const drawingsOf = async (file) =>
  (await readFile(file, 'utf8'))
    .split(/\n\s*\n/u)
    .map((block) => block.split('\n').filter((line) => line !== ''))
    .filter((lines) => lines.length > 0)
    .map(([name, ...rows]) => ({ name: name.trim(), rows }));

export const asciiArt = defineReader({
  name: 'ascii-art',
  summary: 'drawings of characters, each below the name of its class',
  needs: 'an .ascii file of drawings parted by blank lines, each below the name of its class',
  settings: { file: z.string().min(1), mark: z.string().length(1).default('#') },
  kinds: ['labelled-image'],
  paths: { file: 'all' },
  async open({ file, mark }) {
    const classes = [...new Set((await drawingsOf(file)).map(({ name }) => name))].sort();
    return {
      kind: 'labelled-image',
      reader: {
        name: basename(file),
        classes,
        async *read() {
          for (const [at, { name, rows }] of (await drawingsOf(file)).entries()) {
            const id = `drawing-${at}`;
            if (rows.length === 0) yield fault(id, 'empty-drawing', 'expected rows of a drawing, got none');
            else yield { kind: 'sample', id, image: pixelsOf(rows, mark), label: classes.indexOf(name) };
          }
        },
      },
    };
  },
  detect(survey) {
    const file = survey.files.find(({ extension }) => extension === '.ascii');
    return file && { fit: 'sure', reason: `drawings in ${file.id}`, sources: [{ file: survey.at(file.id) }] };
  },
});

/** Numbers with one class each: `signal` holds as many as the recipe says, short ones end in zeros. */
export const labelledSignal = Object.freeze({
  name: 'labelled-signal',
  summary: 'rows of numbers with one class each',
  modalities: ['signal'],
  hasClasses: true,
  needsTokenizer: false,
  section: { name: 'signal', settings: { length: z.number().int().min(1).max(1024).default(4) } },
  columns: ({ settings }) => ({
    id: 'utf8',
    signal: { fixedList: 'float32', size: settings.length },
    label: 'int32',
  }),
  async *batches(samples, options) {
    async function* rows() {
      for await (const { id, contents, label } of samples) {
        const { values } = contents.signal;
        const signal = new Float32Array(options.settings.length);
        signal.set(values.subarray(0, signal.length));
        yield { id, signal, label };
      }
    }
    yield* batchRows(rows(), options);
  },
  synthetic: ({ rows, classes, random, settings }) => ({
    id: Array.from({ length: rows }, (_, row) => `row-${row}`),
    signal: Float32Array.from({ length: rows * settings.length }, () => random.next()),
    label: Int32Array.from({ length: rows }, () => random.integer(classes.length)),
  }),
});

export const signals = defineReader({
  name: 'signals',
  summary: 'lines of numbers, each behind the name of its class',
  needs: 'a file of lines such as `walk: 0.1 0.5 0.2`',
  settings: { file: z.string().min(1) },
  kinds: ['labelled-signal'],
  paths: { file: 'all' },
  async open({ file }) {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes(':'));
    const rows = lines.map((line) => line.split(':'));
    const classes = [...new Set(rows.map(([name]) => name.trim()))].sort();
    return {
      kind: 'labelled-signal',
      reader: {
        name: basename(file),
        classes,
        async *read() {
          for (const [at, [name, numbers]] of rows.entries()) {
            const values = Float32Array.from(numbers.trim().split(/\s+/u), Number);
            const contents = { signal: { kind: 'values', values, shape: [values.length] } };
            yield { kind: 'sample', id: `line-${at}`, contents, label: classes.indexOf(name.trim()) };
          }
        },
      },
    };
  },
});

export const register = () => {
  registerKind(labelledSignal);
  registerReader(asciiArt);
  registerReader(signals);
};
