import type { StoredInput } from '@polygate/stream';
import { decodeSound } from '../../audio/decode-sound.ts';
import { resample } from '../../audio/resample.ts';
import { monoOf } from '../../audio/sound.ts';
import { createSpectrograph, type SpectrogramSettings, type Spectrograph } from '../../audio/spectrogram.ts';
import type { InputForm } from './input-form.ts';
import { valueForm } from './value-form.ts';

/** Spectrograms where a suite says nothing: those of speech. */
export const SPECTROGRAM: SpectrogramSettings = { rate: 16_000, bands: 64, seconds: 10 };

/** Tables by the input that they are for, as all recordings of a dataset have the same. */
const spectrographs = new WeakMap<StoredInput, Spectrograph>();

const spectrographOf = (stored: StoredInput, settings: SpectrogramSettings): Spectrograph => {
  const made = spectrographs.get(stored) ?? createSpectrograph(settings);
  spectrographs.set(stored, made);
  return made;
};

/** Recordings, as log-mel spectrograms [frames, bands]. */
export const audioForm: InputForm = {
  ...valueForm,
  name: 'audio',
  summary: 'recordings, as lists of the numbers of their log-mel spectrograms',
  async cell(content, { id, stored, image: { budgets = {} } }) {
    const settings = { ...SPECTROGRAM, ...stored.spectrogram };
    const sound = await decodeSound(id, content, budgets);
    if ('kind' in sound) return sound;
    // What is cut away later is not resampled; the filter reaches a little beyond.
    const length = Math.ceil(sound.rate * (settings.seconds + 0.1));
    const mono = monoOf({ ...sound, channels: sound.channels.map((channel) => channel.subarray(0, length)) });
    return spectrographOf(stored, settings)(resample(mono, sound.rate, settings.rate));
  },
};
