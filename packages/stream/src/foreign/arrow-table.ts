/**
 * Arrow IPC files that others wrote, as streams (`save_to_disk` of Hugging Face's datasets) or in the random-access format
 * (Feather), read batch by batch, of the wanted columns alone. Unlike Polygate's own shards they may hold nulls, nested
 * structs and dictionaries. Every length is compared with the file before it is believed.
 * Source: Arrow columnar format, "IPC Streaming Format", Message.fbs, Schema.fbs.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, FormatError, overBudget, resolveBudgets } from '@polygate/core';
import { expandBuffer } from '../decode.ts';
import { flatbuffer, MessageFault, STRUCT_BYTES } from '../flatbuffer.ts';
import { BatchParts, type CellReader, cellsOf, partsOfField } from './arrow-cells.ts';
import { type ArrowField, type ArrowSchema, readSchema, valueTypeOf, type ValueType } from './arrow-types.ts';

/** Rows of some columns. */
export interface ArrowRows {
  /** Number of the first row in its file. */
  readonly start: number;
  readonly length: number;
  /** The value of a row of each column: undefined for null, whole numbers of 64 bits as bigint; bytes are borrowed. */
  readonly columns: ReadonlyMap<string, CellReader>;
}

/** An opened file. */
export interface ArrowTable {
  readonly columns: readonly { readonly name: string; readonly type: ValueType }[];
  /** Schema metadata, such as `huggingface`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** All batches, of the named columns. @throws FormatError for damage, naming the file and the byte */
  batches(columns: readonly string[]): AsyncGenerator<ArrowRows>;
}

const MAGIC = 'ARROW1';
/** Magic and padding in front of the stream in files of the random-access format. */
const MAGIC_BYTES = 8;
const CONTINUATION = 0xffffffff;
const SCHEMA = 1;
const DICTIONARY = 2;
const RECORD_BATCH = 3;

interface Source {
  readonly file: FileHandle;
  readonly size: number;
  readonly budgets: Budgets;
}

const readAt = async ({ file }: Source, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
  const bytes = new Uint8Array(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await file.read(bytes, got, length - got, start + got);
    if (bytesRead === 0) throw new MessageFault('the end of the file', start + got);
    got += bytesRead;
  }
  return bytes;
};

/** One message: its flatbuffer, and where its body lies. */
interface Message {
  readonly fb: ReturnType<typeof flatbuffer>;
  readonly type: number;
  /** Position of the header's table. */
  readonly header: number;
  readonly body: number;
  readonly bodyBytes: number;
}

/** The message at a byte; undefined at the mark that ends a stream. A file that ends without it may have lost batches. */
const readMessage = async (source: Source, at: number): Promise<Message | undefined> => {
  if (at === source.size)
    throw new MessageFault('the end of the file without the mark that ends a stream', at);
  const left = source.size - at;
  if (left < 8) throw new MessageFault(`${left} bytes where a message begins`, at);
  const prefix = new DataView((await readAt(source, at, 8)).buffer);
  const marked = prefix.getUint32(0, true) === CONTINUATION;
  // Files of the first versions have no mark.
  const length = marked ? prefix.getInt32(4, true) : prefix.getInt32(0, true);
  const start = at + (marked ? 8 : 4);
  if (length === 0) return undefined;
  if (length < 0 || start + length > source.size)
    throw new MessageFault(`a message of ${length} bytes where ${source.size - start} are left`, at);
  const { headerBytes } = source.budgets;
  if (length > headerBytes) throw new MessageFault(overBudget('headerBytes', headerBytes, length), at);
  const fb = flatbuffer(new DataView((await readAt(source, start, length)).buffer));
  const message = fb.pointer(0);
  const bodyAt = fb.field(message, 3);
  const bodyBytes = bodyAt === 0 ? 0 : fb.integer(bodyAt);
  const body = start + length;
  if (body + bodyBytes > source.size)
    throw new MessageFault(`a body of ${bodyBytes} bytes where ${source.size - body} are left`, body);
  const headerAt = fb.field(message, 2);
  if (headerAt === 0) throw new MessageFault('a message without header', at);
  return { fb, type: fb.byte(message, 1), header: fb.pointer(headerAt), body, bodyBytes };
};

const beginOf = async (source: Source): Promise<number> => {
  const head = Buffer.from(await readAt(source, 0, Math.min(source.size, MAGIC.length))).toString('latin1');
  return head === MAGIC ? MAGIC_BYTES : 0;
};

/** The schema and the byte behind it. */
const schemaOf = async (source: Source): Promise<{ readonly schema: ArrowSchema; readonly next: number }> => {
  const begin = await beginOf(source);
  const message = begin >= source.size ? undefined : await readMessage(source, begin);
  if (message?.type !== SCHEMA) throw new MessageFault('no schema', begin);
  const schema = readSchema(message.fb, message.header);
  return { schema, next: message.body + message.bodyBytes };
};

/** Nodes and buffers of the wanted fields, in the order of the schema; the bytes of others are not read. */
const partsOf = async (
  source: Source,
  { fb, body, bodyBytes }: Message,
  {
    table,
    fields,
    wanted,
  }: { readonly table: number; readonly fields: readonly ArrowField[]; readonly wanted: ReadonlySet<string> },
): Promise<BatchParts> => {
  const nodesAt = fb.vector(table, 1, STRUCT_BYTES);
  const buffersAt = fb.vector(table, 2, STRUCT_BYTES);
  const compression = fb.field(table, 3);
  const codec = compression === 0 ? -1 : fb.byte(fb.pointer(compression), 0);
  if (codec > 0)
    throw new MessageFault('ZSTD compression, where none and LZ4 are read; write it again', body);
  const { groupBytes } = source.budgets;
  let left = groupBytes;
  const nodes: number[] = [];
  const buffers: Uint8Array[] = [];
  let [node, buffer] = [0, 0];
  for (const field of fields) {
    const counts = partsOfField(field);
    if (node + counts.nodes > nodesAt.count || buffer + counts.buffers > buffersAt.count)
      throw new MessageFault('fewer columns than the schema has', body);
    for (let i = 0; i < counts.nodes && wanted.has(field.name); i += 1)
      nodes.push(fb.integer(nodesAt.at + (node + i) * STRUCT_BYTES));
    for (let i = 0; i < counts.buffers && wanted.has(field.name); i += 1) {
      const at = buffersAt.at + (buffer + i) * STRUCT_BYTES;
      const [offset, length] = [fb.integer(at), fb.integer(at + 8)];
      if (offset + length > bodyBytes)
        throw new MessageFault(`a buffer of ${length} bytes at ${offset} in a body of ${bodyBytes}`, body);
      if (length > left)
        throw new MessageFault(overBudget('groupBytes', groupBytes, groupBytes - left + length), body);
      const bytes = await readAt(source, body + offset, length);
      const plain = codec < 0 ? bytes : await expandBuffer(bytes, body + offset, left);
      left -= Math.max(length, plain.length);
      buffers.push(plain);
    }
    node += counts.nodes;
    buffer += counts.buffers;
  }
  return new BatchParts(nodes, buffers);
};

type Dictionaries = Map<bigint, { readonly read: CellReader; readonly length: number }>;

const fieldWithDictionary = (fields: readonly ArrowField[], id: bigint): ArrowField | undefined => {
  for (const field of fields) {
    if (field.dictionary?.id === id) return field;
    const inner = fieldWithDictionary(field.children, id);
    if (inner) return inner;
  }
  return undefined;
};

const readDictionary = async (
  source: Source,
  message: Message,
  { schema, dictionaries }: { readonly schema: ArrowSchema; readonly dictionaries: Dictionaries },
): Promise<void> => {
  const { fb, header, body } = message;
  const idAt = fb.field(header, 0);
  const id = idAt === 0 ? 0n : fb.view.getBigInt64(idAt, true);
  const dataAt = fb.field(header, 1);
  if (dataAt === 0 || fb.byte(header, 2) === 1)
    throw new MessageFault('a dictionary that grows, which is not read; write the file again', body);
  const field = fieldWithDictionary(schema.fields, id);
  if (!field) throw new MessageFault('a dictionary of no column', body);
  const table = fb.pointer(dataAt);
  const lengthAt = fb.field(table, 0);
  const length = lengthAt === 0 ? 0 : fb.integer(lengthAt);
  const { dictionary: _, ...plain } = field;
  const parts = await partsOf(source, message, { table, fields: [plain], wanted: new Set([plain.name]) });
  dictionaries.set(id, { read: cellsOf(plain, parts, length), length });
};

/** Runs a step on an opened file; what is thrown of its bytes is damage of the file. */
const damaged = (path: string, cause: unknown): FormatError => {
  const at = cause instanceof MessageFault ? `, byte ${cause.offset}` : '';
  const got = cause instanceof Error ? cause.message : String(cause);
  return new FormatError(`${basename(path)}${at}: expected an Arrow file that can be read, got ${got}`, {
    code: 'arrow',
    fields: { path },
    cause,
  });
};

const opened = async (path: string, budgets: Budgets): Promise<Source> => {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw damaged(path, cause);
  });
  return { file, size: (await file.stat()).size, budgets };
};

async function* batchesOf(
  path: string,
  wanted: readonly string[],
  budgets: Budgets,
): AsyncGenerator<ArrowRows> {
  const source = await opened(path, budgets);
  try {
    const { schema, next } = await schemaOf(source);
    const names = new Set(wanted);
    const fields = schema.fields.filter(({ name }) => names.has(name));
    const dictionaries: Dictionaries = new Map();
    let start = 0;
    for (let at = next; ;) {
      const message = await readMessage(source, at);
      if (!message) return;
      at = message.body + message.bodyBytes;
      if (message.type === DICTIONARY) await readDictionary(source, message, { schema, dictionaries });
      if (message.type !== RECORD_BATCH) continue;
      const { fb, header } = message;
      const lengthAt = fb.field(header, 0);
      const length = lengthAt === 0 ? 0 : fb.integer(lengthAt);
      const parts = await partsOf(source, message, { table: header, fields: schema.fields, wanted: names });
      const columns = new Map(
        fields.map((field) => [field.name, cellsOf(field, parts, length, dictionaries)]),
      );
      yield { start, length, columns };
      start += length;
    }
  } catch (cause) {
    throw damaged(path, cause);
  } finally {
    await source.file.close();
  }
}

/**
 * Opens an Arrow file of others. `groupBytes` bounds what is held of a batch, `headerBytes` a message.
 * @throws FormatError for another format, a damaged schema, and types that are not read
 */
export const openArrowTable = async (path: string, budgets: Partial<Budgets> = {}): Promise<ArrowTable> => {
  const resolved = resolveBudgets(budgets);
  const source = await opened(path, resolved);
  try {
    const { schema } = await schemaOf(source);
    return {
      columns: schema.fields.map((field) => ({ name: field.name, type: valueTypeOf(field) })),
      metadata: schema.metadata,
      batches: (columns) => batchesOf(path, columns, resolved),
    };
  } catch (cause) {
    throw damaged(path, cause);
  } finally {
    await source.file.close();
  }
};
