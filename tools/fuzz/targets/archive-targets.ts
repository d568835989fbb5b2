/** Tar, WebDataset, COCO and sidecar files: images and texts in containers of others. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openCocoCaptions, openSidecarCaptions, openWebDataset, readTar } from '@polygate/datasets';
import { tarEnd, tarMember } from '../../../packages/datasets/test/support/tar-writer.ts';
import { pick } from '../byte-mutations.ts';
import { mutateJson } from '../json-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { textMutations } from '../text-mutations.ts';
import { checkKeys, fileIn, readTwice, utf8 } from './reading.ts';
import { tinyImage } from './images.ts';

const BLOCK = 512;

const writeChecksum = (block: Buffer): void => {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
};

/** Damages one header of an archive and makes its checksum fit. */
const mutateHeader: Mutator = (bytes, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length < BLOCK) return copy;
  const at = BLOCK * random.integer(Math.floor(copy.length / BLOCK));
  const block = copy.subarray(at, at + BLOCK);
  switch (random.integer(6)) {
    case 0:
      block.write(
        pick(random, ['77777777777\0', '00000000000\0', '-0000000001\0', '99999999999\0', '00000001000\0']),
        124,
        'latin1',
      );
      break;
    case 1:
      // Base 256: the top bit of the first byte, then a big number.
      block.fill(random.integer(256), 124, 136);
      block[124] = 0x80 | random.integer(128);
      break;
    case 2:
      block.write(pick(random, ['x', 'g', 'L', 'K', 'S', '1', '2', '5', '7', 'V', '\0']), 156, 'latin1');
      break;
    case 3:
      block.write(
        pick(random, [
          '../../etc/x.png\0',
          '/abs.png\0',
          '.\0',
          '\0',
          `${'d/'.repeat(49)}\0`,
          'a.png\0',
          'a.txt\0',
        ]),
        0,
        'latin1',
      );
      break;
    case 4:
      block[482] = 1;
      block[156] = 'S'.charCodeAt(0);
      break;
    default:
      block[random.integer(BLOCK)] = random.integer(256);
  }
  writeChecksum(block);
  return copy;
};

/** Moves whole blocks: members that come twice, headers without content, an archive behind an archive. */
const mutateBlocks: Mutator = (bytes, random, others) => {
  const blocks = Math.floor(bytes.length / BLOCK);
  const from = BLOCK * random.integer(blocks + 1);
  const to = Math.min(bytes.length, from + BLOCK * random.integer(4));
  const piece =
    random.integer(2) === 0 ? bytes.subarray(from, to) : pick(random, others).subarray(0, 2 * BLOCK);
  const copies = Array.from({ length: pick(random, [0, 1, 2, 40]) }, () => piece);
  return Buffer.concat([bytes.subarray(0, from), ...copies, bytes.subarray(to)]);
};

const paxRecord = (key: string, value: string): string => {
  const body = ` ${key}=${value}\n`;
  const length = body.length + String(body.length + 2).length;
  return `${length}${body}`;
};

const archives = async (): Promise<readonly Uint8Array[]> => {
  const image = await tinyImage();
  const pairs = Buffer.concat([
    tarMember('one.png', image),
    tarMember('one.txt', utf8('a cat')),
    tarMember('one.cls', utf8('3')),
    tarMember('two.png', image),
    tarMember('two.json', utf8('{"caption":"a dog","label":"dog"}')),
    tarEnd,
  ]);
  const long = Buffer.concat([
    tarMember('././@LongLink', utf8(`${'long/'.repeat(30)}name.txt\0`), { type: 'L' }),
    tarMember('short.txt', utf8('a long name')),
    tarMember('pax', utf8(paxRecord('path', 'pax/three.txt')), { type: 'x' }),
    tarMember('short.txt', utf8('a pax name')),
    tarMember('folder/', new Uint8Array(0), { type: '5' }),
    tarMember('link.txt', new Uint8Array(0), { type: '2' }),
    tarEnd,
  ]);
  return [pairs, long, gzipSync(pairs)];
};

const tar: FuzzTarget = {
  name: 'tar',
  errors: ['FormatError'],
  open: async () => ({
    seeds: (await archives()).slice(0, 2),
    mutators: [mutateHeader, mutateHeader, mutateBlocks],
    async parse(bytes) {
      const chunks = async function* () {
        for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
      };
      for await (const { path, size, body, offset, problem } of readTar(chunks(), { name: 'input' })) {
        expectRight(typeof path === 'string' && size >= 0, `${path} of ${size} bytes`);
        expectRight(body === undefined || body.length === size, `${body?.length} bytes of ${size}`);
        if (body && !problem)
          expectRight(
            Buffer.from(bytes).includes(Buffer.from(body), offset),
            `content of ${path} from elsewhere`,
          );
      }
    },
  }),
};

const webdataset: FuzzTarget = {
  name: 'webdataset',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'shard.tar');
    return {
      seeds: await archives(),
      mutators: [mutateHeader, mutateBlocks, ...textMutations],
      async parse(bytes) {
        const files = [await save(bytes)];
        for (const findClasses of [true, false])
          await checkKeys(await readTwice(await openWebDataset({ files, findClasses })));
      },
    };
  },
};

const coco: FuzzTarget = {
  name: 'coco',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    for (const name of ['a.png', 'b.png']) await writeFile(join(folder, name), await tinyImage());
    const save = fileIn(folder, 'captions.json');
    const document = {
      info: { year: 2017 },
      images: [
        { id: 1, file_name: 'a.png', height: 4, width: 4 },
        { id: '2', file_name: 'b.png' },
      ],
      annotations: [
        { id: 10, image_id: 1, caption: 'a cat' },
        { id: 11, image_id: 1, caption: 'one cat' },
        { id: 12, image_id: 2, caption: 'a dog' },
      ],
    };
    return {
      seeds: [utf8(JSON.stringify(document)), utf8(`\uFEFF${JSON.stringify(document, null, 2)}`)],
      mutators: [mutateJson],
      async parse(bytes) {
        const annotations = await save(bytes);
        await checkKeys(await readTwice(await openCocoCaptions({ annotations, images: folder })));
      },
    };
  },
};

const sidecar: FuzzTarget = {
  name: 'sidecar-captions',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const json = join(folder, 'json');
    const text = join(folder, 'text');
    for (const directory of [json, text]) {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory);
      await writeFile(join(directory, 'a.png'), await tinyImage());
    }
    return {
      seeds: [utf8('{"caption":"a cat","url":"x"}'), utf8('["one","two"]'), utf8('a cat\nasleep\n')],
      mutators: [mutateJson, ...textMutations],
      async parse(bytes) {
        await writeFile(join(json, 'a.json'), bytes);
        await writeFile(join(text, 'a.txt'), bytes);
        for (const path of [json, text])
          for (const captions of ['file', 'lines'] as const)
            await checkKeys(await readTwice(await openSidecarCaptions({ path, captions })));
      },
    };
  },
};

export const archiveTargets: readonly FuzzTarget[] = [tar, webdataset, coco, sidecar];
