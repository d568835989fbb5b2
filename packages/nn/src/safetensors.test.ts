import { FormatError } from '@polygate/core';
import fc from 'fast-check';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, readSafetensors, writeSafetensors, type WritableTensor } from './safetensors.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file put together byte by byte from the format's description. */
const handmade = (header: string, data: Uint8Array): Uint8Array => {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
};

const header =
  '{"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"__metadata__":{"format":"pt"},' +
  '"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[4,8]},"x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},' +
  '"ids":{"dtype":"I64","shape":[],"data_offsets":[16,24]},"empty":{"dtype":"U8","shape":[0,3],"data_offsets":[24,24]}}';
// 1.0 and -2.5 as binary16; 1.0 and 3.140625 as bfloat16; 0.5 and -0.15625 as binary32; -2 as 64-bit integer
const data = Uint8Array.of(
  ...[0x00, 0x3c, 0x00, 0xc1],
  ...[0x80, 0x3f, 0x49, 0x40],
  ...[0x00, 0x00, 0x00, 0x3f, 0x00, 0x00, 0x20, 0xbe],
  ...[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
);

const store = async (name: string, bytes: Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};

const failure = async (bytes: Uint8Array): Promise<FormatError> => {
  const path = await store('damaged.safetensors', bytes);
  const error = await readSafetensors(path).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect((error as FormatError).message).toContain(path);
  return error as FormatError;
};

describe('reading', () => {
  it('reads a file made by hand from the format', async () => {
    const { tensors, metadata } = await readSafetensors(
      await store('hand.safetensors', handmade(header, data)),
    );
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors.keys()]).toEqual(['half', 'b', 'x', 'ids', 'empty']);
    expect(tensors.get('half')).toEqual({ dtype: 'F16', shape: [2], data: Float32Array.of(1, -2.5) });
    expect(tensors.get('b')).toEqual({ dtype: 'BF16', shape: [1, 2], data: Float32Array.of(1, 3.140625) });
    expect(tensors.get('x')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(0.5, -0.15625) });
    expect(tensors.get('ids')).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(-2n) });
    expect(tensors.get('empty')).toEqual({ dtype: 'U8', shape: [0, 3], data: new Uint8Array(0) });
  });

  it('says which name is not there and which file cannot be opened', async () => {
    const path = await store('hand.safetensors', handmade(header, data));
    const file = await openSafetensors(path);
    await expect(file.read('y')).rejects.toThrow('expected a tensor "y", got a file of 5 tensors without it');
    await file.close();
    await expect(openSafetensors(join(folder, 'none'))).rejects.toThrow(
      /expected a readable file at .*none, got ENOENT/u,
    );
  });

  it('opens files of any types and refuses only those that are not read, when they are asked for', async () => {
    const names: [string, number][] = [
      ['F64', 8],
      ['I8', 1],
      ['I16', 2],
      ['U16', 2],
      ['U32', 4],
      ['U64', 8],
      ['BOOL', 1],
      ['F8_E4M3', 1],
      ['F8_E5M2', 1],
      ['C64', 8],
      ['F4', 0.5],
      ['Q9_NEW', 3],
    ];
    const entries: Record<string, unknown> = {};
    let end = 0;
    for (const [dtype, bytes] of [...names, ['F32', 4] as const]) {
      entries[dtype] = { dtype, shape: [2], data_offsets: [end, (end += bytes * 2)] };
    }
    // Every value is two copies of the bytes FE FF .. FF, or as many as fit; of F32 they are 0.5 and -0.15625.
    const bytes = new Uint8Array(end).fill(0xff);
    bytes.set([0, 0, 0, 0x3f, 0, 0, 0x20, 0xbe], end - 8);
    bytes.set([0, 0, 0, 0, 0, 0, 0xf8, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0x40]); // -1.5 and 2 as binary64
    bytes.set([1, 0], (entries['BOOL'] as { data_offsets: number[] }).data_offsets[0]);
    const file = await openSafetensors(
      await store('mixed.safetensors', handmade(JSON.stringify(entries), bytes)),
    );
    const read = async (name: string) => (await file.read(name)).data;
    expect(await read('F32')).toEqual(Float32Array.of(0.5, -0.15625));
    expect(await read('F64')).toEqual(Float64Array.of(-1.5, 2));
    expect(await read('I8')).toEqual(Int8Array.of(-1, -1));
    expect(await read('I16')).toEqual(Int16Array.of(-1, -1));
    expect(await read('U16')).toEqual(Uint16Array.of(65_535, 65_535));
    expect(await read('U32')).toEqual(Uint32Array.of(4_294_967_295, 4_294_967_295));
    expect(await read('U64')).toEqual(BigUint64Array.of(2n ** 64n - 1n, 2n ** 64n - 1n));
    expect(await read('BOOL')).toEqual(Uint8Array.of(1, 0));
    for (const name of ['F8_E4M3', 'F8_E5M2', 'C64', 'F4', 'Q9_NEW']) {
      await expect(read(name)).rejects.toThrow(
        `expected tensor "${name}" to be of a type that is read (F64, F32, BF16, F16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL), got ${name}; save it as F32`,
      );
    }
    await file.close();
  });

  it('keeps a name that every record inherits', async () => {
    const path = join(folder, 'proto.safetensors');
    const tensor = { dtype: 'U8', shape: [1], data: Uint8Array.of(7) } as const;
    await writeSafetensors(path, new Map([['__proto__', tensor]]));
    expect((await readSafetensors(path)).tensors.get('__proto__')?.data).toEqual(Uint8Array.of(7));
  });

  const empty = new Uint8Array(0);
  const cases: readonly (readonly [string, Uint8Array, number, string])[] = [
    ['no header length', Uint8Array.of(1, 2, 3), 3, 'expected 8 bytes of header length, got 3'],
    [
      'a header of a million gigabytes',
      Uint8Array.of(0, 0, 0, 0, 0, 0, 4, 0, 123, 125),
      0,
      'for the header, expected at most 16777216 bytes (budget headerBytes)',
    ],
    [
      'a header beyond the end',
      Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0, 123, 125),
      0,
      'expected a header of 2 to 2 bytes in a file of 10, got 99',
    ],
    ['another format', handmade('[1,2]', empty), 8, 'expected the header to begin with "{"'],
    ['broken JSON', handmade('{"x":', empty), 8, 'expected a header of JSON'],
    [
      'broken UTF-8',
      handmade('{"x":1}', empty).map((byte, i) => (i === 10 ? 0xff : byte)),
      8,
      'expected a header of JSON',
    ],
    [
      'a dtype that is no name',
      handmade('{"x":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(0)),
      8,
      'expected the name of a dtype for tensor "x", got 8',
    ],
    [
      'a name that stands twice',
      handmade(
        '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0078":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        new Uint8Array(2),
      ),
      8,
      'expected each name once in the header, got "x" twice',
    ],
    [
      'a dtype that stands twice',
      handmade('{"x":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1)),
      8,
      'expected each name once in the header, got "dtype" twice',
    ],
    [
      'a wrong length of a type that is not read',
      handmade('{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}', new Uint8Array(1)),
      8,
      'bytes for tensor "x" (F4 [3]), got 1',
    ],
    [
      'a negative extent',
      handmade('{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', Uint8Array.of(0)),
      8,
      'expected a shape of at most 32 whole numbers for tensor "x"',
    ],
    [
      'a size that overflows',
      handmade('{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}', empty),
      8,
      'bytes for tensor "x"',
    ],
    [
      'a wrong length',
      handmade('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4)),
      8,
      'expected 8 bytes for tensor "x" (F32 [2]), got 4',
    ],
    [
      'an overlap',
      handmade(
        '{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        new Uint8Array(3),
      ),
      8 + 105 + 2,
      'expected tensor "y" to begin at data byte 2, got 1: a gap or an overlap',
    ],
    [
      'bytes at the end',
      handmade('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(2)),
      62,
      'expected the data to end at byte 62, got a file of 63 bytes',
    ],
    [
      'a cut',
      handmade('{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', new Uint8Array(2)),
      63,
      'expected the data to end at byte 65, got a file of 63 bytes',
    ],
    [
      'metadata that are no texts',
      handmade('{"__metadata__":{"a":1}}', empty),
      8,
      'expected __metadata__ to map names to texts',
    ],
  ];
  it.each(cases)('refuses %s, naming file and byte', async (_, bytes, byte, text) => {
    const error = await failure(bytes);
    expect(error.message).toContain(`at byte ${byte}, `);
    expect(error.message).toContain(text);
    expect(error.fields['byte']).toBe(byte);
  });

  it('meets any damage to the header with a typed error or a header that still fits the file', async () => {
    const whole = handmade(header, data);
    await fc.assert(
      fc.asyncProperty(fc.nat(header.length + 7), fc.nat(7), fc.nat(whole.length), async (at, bit, cut) => {
        const flipped = whole.slice();
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        for (const bytes of [flipped, whole.subarray(0, cut)]) {
          if (bytes.length === whole.length && bytes !== flipped) continue;
          const path = await store('fuzzed.safetensors', bytes);
          await readSafetensors(path).catch((error: unknown) => expect(error).toBeInstanceOf(FormatError));
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('writing', () => {
  const tensors = new Map<string, WritableTensor>([
    ['é.u8', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['scalar', { dtype: 'F32', shape: [], data: Float32Array.of(-0) }],
    ['bf', { dtype: 'BF16', shape: [2], data: () => Float32Array.of(1, -3) }],
    ['ids', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
    ['i32', { dtype: 'I32', shape: [1, 2], data: async () => Int32Array.of(-7, 7) }],
  ]);

  it('reads back what it wrote, aligned, sorted by element size and name', async () => {
    const path = join(folder, 'deep', 'er', 'own.safetensors');
    await writeSafetensors(path, tensors, { note: 'naïve' });
    const back = await readSafetensors(path);
    expect(back.metadata).toEqual({ note: 'naïve' });
    expect([...back.tensors.keys()]).toEqual(['ids', 'i32', 'scalar', 'bf', 'é.u8']);
    expect(back.tensors.get('scalar')?.data).toEqual(Float32Array.of(-0));
    expect(back.tensors.get('bf')?.data).toEqual(Float32Array.of(1, -3));
    expect(back.tensors.get('ids')?.data).toEqual(BigInt64Array.of(-1n, 2n ** 62n));
    expect(back.tensors.get('i32')?.data).toEqual(Int32Array.of(-7, 7));
    const file = await openSafetensors(path);
    for (const { begin, dtype } of file.entries.values())
      expect(begin % ({ I64: 8, BF16: 2, U8: 1 }[dtype as string] ?? 4)).toBe(0);
    await file.close();
    expect(await readdir(join(folder, 'deep', 'er'))).toEqual(['own.safetensors']);
  });

  it('keeps the old file and leaves nothing behind when a tensor cannot be produced', async () => {
    const path = join(folder, 'kept', 'a.safetensors');
    await writeSafetensors(path, tensors);
    const before = await readFile(path);
    const broken = new Map(tensors).set('z', {
      dtype: 'F32',
      shape: [1],
      data: () => Promise.reject(new Error('gone')),
    });
    await expect(writeSafetensors(path, broken)).rejects.toThrow('gone');
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(join(folder, 'kept'))).toEqual(['a.safetensors']);
    const short = new Map<string, WritableTensor>([
      ['x', { dtype: 'F32', shape: [2], data: Float32Array.of(1) }],
    ]);
    await expect(writeSafetensors(path, short)).rejects.toThrow(
      'expected 2 values for "x" of shape [2], got 1',
    );
    await writeFile(join(folder, 'file'), '');
    await expect(writeSafetensors(join(folder, 'file', 'a'), tensors)).rejects.toThrow(
      'a part of the path is a file',
    );
  });

  const python = ((): boolean => {
    try {
      execFileSync('python3', ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(!python)('is read by a foreign reader: Python json and struct', async () => {
    const path = join(folder, 'foreign.safetensors');
    await writeSafetensors(path, tensors, { note: 'x' });
    const script = `
import json, struct, sys
raw = open(sys.argv[1], 'rb').read()
(n,) = struct.unpack('<Q', raw[:8])
head = json.loads(raw[8:8 + n].decode('utf-8'))
form = {'F32': 'f', 'I64': 'q', 'I32': 'i', 'U8': 'B', 'BF16': 'H'}
out = {}
for name, t in head.items():
    if name == '__metadata__': continue
    a, b = t['data_offsets']
    part = raw[8 + n + a:8 + n + b]
    code = form[t['dtype']]
    out[name] = [str(v) for v in struct.unpack('<%d%s' % (len(part) // struct.calcsize('<' + code), code), part)]
print(json.dumps({'align': n % 8, 'meta': head['__metadata__'], 'end': max(t['data_offsets'][1] for k, t in head.items() if k != '__metadata__') + 8 + n - len(raw), 'out': out}))
`;
    const { stdout } = await promisify(execFile)('python3', ['-c', script, path]);
    expect(JSON.parse(stdout)).toEqual({
      align: 0,
      meta: { note: 'x' },
      end: 0,
      out: {
        'é.u8': ['1', '2', '255'],
        scalar: ['-0.0'],
        bf: [String(0x3f80), String(0xc040)], // 1 and -3
        ids: ['-1', '4611686018427387904'],
        i32: ['-7', '7'],
      },
    });
  });
});
