/**
 * Reading and writing safetensors files, tensor by tensor, so that a file may be larger than what fits in one buffer.
 * The format is little-endian, and so is every processor that Node runs on but s390x, which is not supported.
 */
import { ConfigError, excerpt, FormatError, resolveBudgets, type Budgets } from '@polygate/core';
import {
  openSource,
  writeFileDigested,
  type ByteSource,
  type FileDigest,
  type FileSource,
} from '@polygate/core/files';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16 } from './half-floats.ts';
import {
  damaged,
  ELEMENT_BYTES,
  formatHeader,
  headerLength,
  isReadable,
  parseHeader,
  PREFIX_BYTES,
  type SafetensorsDtype,
  type SafetensorsHeader,
} from './safetensors-header.ts';

/**
 * Values of one tensor, exactly as they lie in the file: BF16 and F16 are handed out as float32 (which holds them all),
 * BOOL as bytes of 0 and 1, F64 as float64.
 */
export type SafetensorsData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** A tensor that was read. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Row-major; a copy that belongs to the caller. */
  readonly data: SafetensorsData;
}

type Source<T> = T | (() => Promise<T> | T);

/** A tensor to write. `data` may be a function that is called when its turn comes, so that one at a time is held. */
export type WritableTensor =
  | { readonly dtype: 'F32' | 'BF16'; readonly shape: readonly number[]; readonly data: Source<Float32Array> }
  | { readonly dtype: 'I64'; readonly shape: readonly number[]; readonly data: Source<BigInt64Array> }
  | { readonly dtype: 'I32'; readonly shape: readonly number[]; readonly data: Source<Int32Array> }
  | { readonly dtype: 'U8'; readonly shape: readonly number[]; readonly data: Source<Uint8Array> };

/** An open file: its header is read and checked, its tensors are read when asked for. */
export interface SafetensorsFile extends AsyncDisposable {
  /** For error texts: the path, or `(bytes)`. */
  readonly name: string;
  readonly entries: SafetensorsHeader['entries'];
  readonly metadata: SafetensorsHeader['metadata'];
  /** @throws ConfigError for an unknown name; FormatError for a type that isn't read, or when the file has been cut */
  read(name: string): Promise<SafetensorsTensor>;
  close(): Promise<void>;
}

const readExactly = async (
  source: ByteSource,
  at: { readonly position: number; readonly length: number },
): Promise<Uint8Array<ArrayBuffer>> => {
  const bytes = await source.read(at.position, at.length);
  if (bytes.length === at.length) return bytes;
  const missing = at.length - bytes.length;
  throw damaged(source.name, at.position + bytes.length, `expected ${missing} more bytes, got none`);
};

const decode = (dtype: SafetensorsDtype, bytes: Uint8Array<ArrayBuffer>): SafetensorsData => {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer);
    case 'BF16':
      return bfloat16ToFloat32(new Uint16Array(bytes.buffer));
    case 'F16':
      return float16ToFloat32(new Uint16Array(bytes.buffer));
    case 'I64':
      return new BigInt64Array(bytes.buffer);
    case 'I32':
      return new Int32Array(bytes.buffer);
    case 'F64':
      return new Float64Array(bytes.buffer);
    case 'I16':
      return new Int16Array(bytes.buffer);
    case 'I8':
      return new Int8Array(bytes.buffer);
    case 'U64':
      return new BigUint64Array(bytes.buffer);
    case 'U32':
      return new Uint32Array(bytes.buffer);
    case 'U16':
      return new Uint16Array(bytes.buffer);
    case 'BOOL':
    case 'U8':
      return bytes;
    default:
      return dtype satisfies never;
  }
};

const openForReading = async (file: FileSource): Promise<ByteSource> => {
  try {
    return await openSource(file);
  } catch (cause) {
    const path = String(file);
    throw new ConfigError(
      `safetensors: expected a readable file at ${path}, got ${cause instanceof Error ? cause.message : String(cause)}; check the path`,
      { code: 'file-missing', fields: { path }, cause },
    );
  }
};

/** Settings of {@link openSafetensors}. */
export interface OpenSafetensorsOptions {
  /** `headerBytes` bounds the header. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

/**
 * Opens a file, or its bytes, and checks its header. Bytes are borrowed until it is closed.
 * @throws ConfigError when it can't be opened; FormatError when it is damaged
 */
export const openSafetensors = async (
  file: FileSource,
  options: OpenSafetensorsOptions = {},
): Promise<SafetensorsFile> => {
  const { headerBytes } = resolveBudgets(options.budgets);
  const source = await openForReading(file);
  const { name: path, size } = source;
  try {
    const prefix = await readExactly(source, { position: 0, length: Math.min(PREFIX_BYTES, size) });
    const length = headerLength(prefix, path, { bytes: size, headerBytes });
    const bytes = await readExactly(source, { position: PREFIX_BYTES, length });
    const { entries, metadata } = parseHeader(bytes, { path, bytes: size });
    const close = (): Promise<void> => source.close();
    return {
      name: path,
      entries,
      metadata,
      async read(name) {
        const entry = entries.get(name);
        if (!entry) {
          throw new ConfigError(
            `safetensors ${path}: expected a tensor "${name}", got a file of ${entries.size} tensors without it; read a name of entries`,
            { fields: { path, name } },
          );
        }
        const { dtype, shape, begin, end } = entry;
        if (!isReadable(dtype)) {
          throw new FormatError(
            `safetensors ${path}: expected tensor ${excerpt(name)} to be of a type that is read (${Object.keys(ELEMENT_BYTES).join(', ')}), got ${dtype}; save it as F32`,
            { code: 'safetensors-dtype', fields: { path, name, dtype } },
          );
        }
        const data = decode(dtype, await readExactly(source, { position: begin, length: end - begin }));
        return { dtype, shape, data };
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await source.close();
    throw error;
  }
};

/** Reads a whole file, or its bytes. @throws ConfigError when it can't be opened; FormatError when it is damaged */
export const readSafetensors = async (
  source: FileSource,
): Promise<{
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}> => {
  const file = await openSafetensors(source);
  try {
    const tensors = new Map<string, SafetensorsTensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
};

const encode = async (name: string, tensor: WritableTensor): Promise<Uint8Array> => {
  const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  const size = tensor.shape.reduce((product, n) => product * n, 1);
  if (data.length !== size) {
    throw new ConfigError(
      `safetensors: expected ${size} values for "${name}" of shape [${tensor.shape.join(', ')}], got ${data.length}; correct the shape or the data`,
      { fields: { name, expected: size, got: data.length } },
    );
  }
  const stored = tensor.dtype === 'BF16' ? float32ToBfloat16(data as Float32Array) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
};

/** Larger elements first, so that each tensor is aligned to its own element size; names break ties. */
const writeOrder = (
  tensors: ReadonlyMap<string, WritableTensor>,
): readonly (readonly [string, WritableTensor])[] =>
  [...tensors].sort(
    ([a, x], [b, y]) => ELEMENT_BYTES[y.dtype] - ELEMENT_BYTES[x.dtype] || (a < b ? -1 : a > b ? 1 : 0),
  );

/**
 * Writes a file that appears under its name only when it is complete.
 * @param metadata texts by name, for people and loaders
 * @returns size and SHA-256 of the file
 * @throws ConfigError when data and shape don't fit or a name is `__metadata__`; StateError for a failed write
 */
export const writeSafetensors = async (
  path: string,
  tensors: ReadonlyMap<string, WritableTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileDigest> => {
  if (tensors.has('__metadata__')) {
    throw new ConfigError(
      'safetensors: expected tensor names other than "__metadata__", which the format keeps for itself',
    );
  }
  const ordered = writeOrder(tensors);
  return writeFileDigested(path, async (file) => {
    await file.append(
      formatHeader(
        ordered.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
        metadata,
      ),
    );
    for (const [name, tensor] of ordered) await file.append(await encode(name, tensor));
  });
};
