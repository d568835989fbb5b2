/**
 * Recordings of WAV, FLAC, Ogg Vorbis and Ogg Opus, by their first bytes and not by their names. Decoders of the last three
 * are loaded when a file of theirs is read.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, excerpt, overBudget, resolveBudgets } from '@polygate/core';
import { fault, type Fault, type SampleContent } from '../samples/sample.ts';
import { oggPackets } from './ogg-packets.ts';
import { headFault, type Sound, type SoundFault } from './sound.ts';
import { decodeWav } from './wav.ts';

/** Endings of files that are looked for. */
export const SOUND_EXTENSIONS: readonly string[] = ['.wav', '.wave', '.flac', '.ogg', '.oga', '.opus'];

const OPUS_RATE = 48_000;

/** What the decoders give. */
interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly samplesDecoded: number;
  readonly sampleRate: number;
  readonly errors: readonly { readonly message: string }[];
}

const checked = ({ channelData, samplesDecoded, sampleRate, errors }: Decoded): Sound | SoundFault => {
  const [error] = errors;
  if (error)
    return { code: 'corrupt-audio', reason: `expected a sound that can be decoded, got ${error.message}` };
  if (samplesDecoded === 0) return { code: 'corrupt-audio', reason: 'expected samples, got none' };
  const channels = channelData.map((channel) => channel.subarray(0, samplesDecoded));
  return headFault(sampleRate, channels.length) ?? { channels, rate: sampleRate };
};

interface FileDecoder {
  readonly ready: Promise<void>;
  decodeFile(bytes: Uint8Array): Promise<Decoded>;
  free(): void;
}

const decodeFile = async (decoder: FileDecoder, bytes: Uint8Array): Promise<Sound | SoundFault> => {
  await decoder.ready;
  try {
    return checked(await decoder.decodeFile(bytes));
  } finally {
    decoder.free();
  }
};

/** Samples of a FLAC file, as its head says; 0 where it doesn't. */
const flacSamples = (bytes: Uint8Array): number =>
  bytes.length < 26
    ? 0
    : ((bytes[21] ?? 0) & 15) * 2 ** 32 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(22);

const decodeFlac = async (bytes: Uint8Array): Promise<Sound | SoundFault> => {
  const { FLACDecoder } = await import('@wasm-audio-decoders/flac');
  const sound = await decodeFile(new FLACDecoder() as unknown as FileDecoder, bytes);
  const wanted = flacSamples(bytes);
  const got = 'channels' in sound ? (sound.channels[0]?.length ?? 0) : wanted;
  return got < wanted
    ? { code: 'truncated-audio', reason: `expected ${wanted} samples, got ${got} and the end of the file` }
    : sound;
};

/** Opus packets, without what the encoder put before the first sample and after the last one (RFC 7845). */
const decodeOpus = async (packets: readonly Uint8Array[], end: number): Promise<Sound | SoundFault> => {
  const [head = new Uint8Array(0), , ...frames] = packets;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 19)
    return { code: 'corrupt-audio', reason: 'expected the head of an Opus stream, got less' };
  const [channels, preSkip, family] = [view.getUint8(9), view.getUint16(10, true), view.getUint8(18)];
  if (family !== 0 || channels < 1 || channels > 2)
    return {
      code: 'audio-format',
      reason: `expected Opus of one or two channels, got ${channels} of the family ${family}; convert the file`,
    };
  const { OpusDecoder } = await import('opus-decoder');
  const decoder = new OpusDecoder({ channels, preSkip, sampleRate: OPUS_RATE });
  await decoder.ready;
  try {
    const sound = checked(decoder.decodeFrames([...frames]) as Decoded);
    if (!('channels' in sound)) return sound;
    const count = end > preSkip ? end - preSkip : Infinity;
    return { ...sound, channels: sound.channels.map((channel) => channel.subarray(0, count)) };
  } finally {
    decoder.free();
  }
};

const decodeOgg = async (bytes: Uint8Array): Promise<Sound | SoundFault> => {
  const ogg = oggPackets(bytes);
  if (!ogg) return { code: 'corrupt-audio', reason: 'expected pages of Ogg, got other bytes' };
  const { packets, end, isWhole } = ogg;
  if (!isWhole)
    return { code: 'truncated-audio', reason: 'expected a last page, got the end of the file before it' };
  if (Buffer.from(packets[0] ?? []).toString('latin1', 0, 8) === 'OpusHead') return decodeOpus(packets, end);
  const { OggVorbisDecoder } = await import('@wasm-audio-decoders/ogg-vorbis');
  return decodeFile(new OggVorbisDecoder() as unknown as FileDecoder, bytes);
};

const decoderOf = (bytes: Uint8Array): ((bytes: Uint8Array) => Promise<Sound | SoundFault>) | undefined => {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('RIFF') && head.endsWith('WAVE')) return (all) => Promise.resolve(decodeWav(all));
  if (head.startsWith('fLaC')) return decodeFlac;
  return head.startsWith('OggS') ? decodeOgg : undefined;
};

const bytesOf = async (id: string, content: SampleContent, most: number): Promise<Uint8Array | Fault> => {
  if (content.kind === 'bytes') return content.bytes;
  if (content.kind !== 'path') return fault(id, 'no-audio', 'expected a recording, got another content');
  const stats = await stat(content.path).catch(() => undefined);
  if (!stats?.isFile()) {
    const name = excerpt(basename(content.path));
    return fault(id, 'missing-file', `expected the recording ${name}, got nothing at its path`);
  }
  if (stats.size > most) return fault(id, 'audio-too-large', overBudget('imageBytes', most, stats.size));
  return readFile(content.path);
};

/** The sound of a recording. What can't be decoded is a fault with the reason, never a guess. */
export const decodeSound = async (
  id: string,
  content: SampleContent,
  budgets: Partial<Budgets> = {},
): Promise<Sound | Fault> => {
  const bytes = await bytesOf(id, content, resolveBudgets(budgets).imageBytes);
  if ('kind' in bytes) return bytes;
  const decode = decoderOf(bytes);
  if (!decode)
    return fault(
      id,
      'audio-format',
      'expected WAV, FLAC, Ogg Vorbis or Ogg Opus, got another format; convert the file',
    );
  let sound: Sound | SoundFault;
  try {
    sound = await decode(bytes);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return fault(id, 'corrupt-audio', `expected a sound that can be decoded, got ${message.slice(0, 200)}`);
  }
  if ('code' in sound) return fault(id, sound.code, sound.reason);
  return (sound.channels[0]?.length ?? 0) > 0
    ? sound
    : fault(id, 'empty-audio', 'expected samples, got none');
};
