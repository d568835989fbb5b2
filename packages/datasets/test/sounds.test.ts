/** Recordings and HDF5 arrays that other libraries wrote, and spectrograms as librosa has them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { arraysOf } from '../src/arrays/array-files.ts';
import { numbersOf } from '../src/arrays/array-data.ts';
import { decodeSound } from '../src/audio/decode-sound.ts';
import { resample } from '../src/audio/resample.ts';
import { monoOf, type Sound } from '../src/audio/sound.ts';
import { createSpectrograph } from '../src/audio/spectrogram.ts';
import { resolveBudgets } from '@polygate/core';

const fixtures = join(import.meta.dirname, 'fixtures');
interface Expected {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly logMel: readonly (readonly number[])[];
  readonly samples: number;
}
const expected = JSON.parse(await readFile(join(fixtures, 'sounds.json'), 'utf8')) as Expected;
const RATE = 16_000;
const left = Float32Array.from(
  { length: expected.samples },
  (_, i) => 0.5 * Math.sin(2 * Math.PI * (300 + 2000 * (i / RATE)) * (i / RATE)),
);

const decode = (name: string) => decodeSound(name, { kind: 'path', path: join(fixtures, 'sounds', name) });
const soundOf = async (name: string): Promise<Sound> => {
  const sound = await decode(name);
  if ('kind' in sound) throw new Error(sound.reason);
  return sound;
};
/** Largest distance of a channel from what was written. */
const distance = (channel: ArrayLike<number> | undefined, wanted: ArrayLike<number>): number => {
  let most = channel ? 0 : Infinity;
  for (let i = 0; i < wanted.length; i += 1)
    most = Math.max(most, Math.abs((channel?.[i] ?? 9) - (wanted[i] ?? 0)));
  return most;
};

describe('recordings', () => {
  it.each([
    ['pcm_u8.wav', 1 / 128],
    ['pcm_16.wav', 2 ** -15],
    ['pcm_24.wav', 2 ** -23],
    ['pcm_32.wav', 1e-6],
    ['float.wav', 1e-6],
    ['double.wav', 1e-6],
    ['extensible.wav', 2 ** -22],
    ['pcm.flac', 2 ** -15],
  ])('of %s come back as they were written', async (name, tolerance) => {
    const { channels, rate } = await soundOf(name);
    expect([channels.length, rate]).toEqual([2, RATE]);
    expect(distance(channels[0], expected.left)).toBeLessThan(tolerance + 1e-6);
    expect(distance(channels[1], expected.right)).toBeLessThan(tolerance + 1e-6);
  });

  it.each([
    ['vorbis.ogg', 16_000, 0.05],
    ['opus.opus', 48_000, 0.12],
  ])('of %s sound as they were written', async (name, rate, tolerance) => {
    const sound = await soundOf(name);
    expect([sound.channels.length, sound.rate]).toEqual([2, rate]);
    const [first = new Float32Array(0)] = sound.channels;
    const back = resample(first, rate, RATE);
    expect(Math.abs(back.length - expected.samples)).toBeLessThan(4);
    // Away from the ends, which codecs fade.
    const middle = back.subarray(800, 2400);
    expect(distance(middle, left.subarray(800, 2400))).toBeLessThan(tolerance);
  });

  it('that are cut short, of another format, or of no sense are faults with the reason', async () => {
    const bytes = await readFile(join(fixtures, 'sounds', 'pcm_16.wav'));
    expect(await decode('none.wav')).toMatchObject({
      code: 'missing-file',
      reason: 'expected the recording "none.wav", got nothing at its path',
    });
    const faultOf = async (content: Uint8Array): Promise<string> => {
      const sound = await decodeSound('x', { kind: 'bytes', bytes: content });
      return 'kind' in sound ? `${sound.code}: ${sound.reason}` : 'sound';
    };
    expect(await faultOf(bytes.subarray(0, 1000))).toMatch(
      /^truncated-audio: expected 1600 bytes of samples, got \d+ and the end of the file$/u,
    );
    expect(await faultOf(bytes.subarray(0, 30))).toMatch(/^(corrupt|truncated)-audio/u);
    expect(await faultOf(Buffer.from('MP3 or what'))).toMatch(/^audio-format: expected WAV, FLAC, Ogg/u);
    const absurd = Buffer.from(bytes);
    absurd.writeUInt32LE(4_000_000_000, 24);
    expect(await faultOf(absurd)).toMatch(
      /^corrupt-audio: expected 1 to 64 channels of 1 to 768000 samples/u,
    );
    for (const name of ['vorbis.ogg', 'opus.opus', 'pcm.flac']) {
      const whole = await readFile(join(fixtures, 'sounds', name));
      expect(await faultOf(whole.subarray(0, Math.floor(whole.length * 0.6)))).toMatch(
        /^(truncated|corrupt)-audio/u,
      );
    }
    const streamed = Buffer.from(bytes);
    // A program that did not know the length yet.
    streamed.writeUInt32LE(0xffffffff, 40);
    expect(await faultOf(streamed)).toBe('sound');
  });

  it('are mixed to the mean of their channels', async () => {
    const mono = monoOf(await soundOf('float.wav'));
    expect(mono[100]).toBeCloseTo(((expected.left[100] ?? 0) + (expected.right[100] ?? 0)) / 2, 6);
  });

  it('of a tone are that tone at another rate', () => {
    const tone = (rate: number, seconds: number) =>
      Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) =>
        Math.sin((2 * Math.PI * 440 * i) / rate),
      );
    for (const [from, to] of [
      [44_100, 16_000],
      [8000, 16_000],
    ] as const) {
      const back = resample(tone(from, 0.1), from, to);
      expect(back.length).toBe(0.1 * to);
      expect(distance(back.subarray(100, -100), tone(to, 0.1).subarray(100, -100))).toBeLessThan(5e-3);
    }
    // What the lower rate can't hold is cut.
    const high = Float32Array.from({ length: 4410 }, (_, i) => Math.sin((2 * Math.PI * 15_000 * i) / 44_100));
    expect(distance(resample(high, 44_100, 16_000).subarray(100, -100), new Float32Array(1400))).toBeLessThan(
      0.02,
    );
  });

  it('have the spectrogram of librosa', () => {
    const spectrogram = createSpectrograph({ rate: RATE, bands: 8, seconds: 10 })(left);
    expect(spectrogram.length).toBe(expected.logMel.flat().length);
    expect(distance(spectrogram, expected.logMel.flat())).toBeLessThan(2e-3);
    // A tenth of a second: 1 + floor(1600 / 160) frames.
    expect(createSpectrograph({ rate: RATE, bands: 8, seconds: 0.1 })(left).length).toBe(11 * 8);
  });
});

describe('HDF5', () => {
  it('has the arrays that h5py wrote, by their paths', async () => {
    const arrays = await arraysOf([join(fixtures, 'sounds', 'arrays.h5')], resolveBudgets());
    expect([...arrays.keys()]).toEqual(['test/force', 'test/labels', 'train/force', 'train/labels']);
    const source = arrays.get('train/force');
    if (!source) throw new Error('expected an array');
    await using pass = await source.open();
    expect([pass.shape, pass.type]).toEqual([[4, 3, 2], 'float32']);
    const rows: number[][] = [];
    for await (const bytes of pass.items()) rows.push([...numbersOf(bytes, pass)]);
    expect(rows[3]).toEqual([18, 19, 20, 21, 22, 23]);
  });

  it('is refused where it is something else', async () => {
    const file = join(fixtures, 'sounds.json');
    await expect(arraysOf([file.replace('.json', '.h5')], resolveBudgets())).rejects.toThrow(
      'expected a file of HDF5, got another format or a damaged one',
    );
  });
});
