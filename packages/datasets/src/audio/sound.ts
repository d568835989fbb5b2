/** Samples of sound as decoders give them. */
export interface Sound {
  /** Samples of each channel, -1 to 1, equally many. */
  readonly channels: readonly Float32Array[];
  /** Samples a second. */
  readonly rate: number;
}

/** What a file's bytes are not, as a fault says it. */
export interface SoundFault {
  readonly code: string;
  readonly reason: string;
}

/** Samples a second, and channels, beyond which a file is damaged. */
const MOST = { rate: 768_000, channels: 64 } as const;

/** Why a sound can't be used, by its head. */
export const headFault = (rate: number, channels: number): SoundFault | undefined => {
  const isSound = rate >= 1 && rate <= MOST.rate && channels >= 1 && channels <= MOST.channels;
  return isSound
    ? undefined
    : {
        code: 'corrupt-audio',
        reason: `expected 1 to ${MOST.channels} channels of 1 to ${MOST.rate} samples a second, got ${channels} of ${rate}`,
      };
};

/** The mean of all channels. */
export const monoOf = ({ channels }: Sound): Float32Array => {
  const [first = new Float32Array(0)] = channels;
  if (channels.length === 1) return first;
  return Float32Array.from(
    first,
    (_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length,
  );
};
