/** Which files are clips, by their names. */
import { extname } from 'node:path';
import { videoExtensions } from './ffmpeg.ts';

/** Animated images. */
export const animatedExtensions: ReadonlySet<string> = new Set(['.gif', '.webp', '.apng', '.png']);

const extensionOf = (name: string): string => extname(name).toLowerCase();

/** Whether a file is one that ffmpeg reads. */
export const isVideoName = (name: string): boolean => videoExtensions.includes(extensionOf(name));

/** Whether a file may be a clip. */
export const isClipName = (name: string): boolean =>
  isVideoName(name) || animatedExtensions.has(extensionOf(name));
