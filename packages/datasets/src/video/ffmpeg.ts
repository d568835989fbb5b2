/** Frames of video files through the programs ffmpeg and ffprobe, where they are installed. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { ConfigError, FormatError, parseJson } from '@polygate/core';

/** Names of files that ffmpeg is asked for. */
export const videoExtensions: readonly string[] = [
  '.mp4',
  '.m4v',
  '.mov',
  '.webm',
  '.mkv',
  '.avi',
  '.mpg',
  '.mpeg',
  '.ogv',
  '.flv',
  '.wmv',
  '.3gp',
];

/** Formats by their content: playlists, which name further files and addresses, are none of them. */
const FORMATS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,ogg,flv,asf';
/** Names of the programs. */
export interface VideoPrograms {
  /** @default 'ffmpeg' */
  readonly ffmpeg?: string;
  /** @default 'ffprobe' */
  readonly ffprobe?: string;
}

const MAX_MESSAGE = 300;
/** Longest output of ffprobe that is read, bytes. */
const MAX_PROBE_BYTES = 1 << 20;

const missing = (program: string, cause: unknown): ConfigError =>
  new ConfigError(
    `video: expected the program ${program} to read video files, got none; install the package ffmpeg (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg), or give clips as animated WebP, GIF, APNG or folders of frames`,
    { code: 'ffmpeg-missing', fields: { program }, cause },
  );

const input = (path: string): string[] => [
  '-v',
  'error',
  '-protocol_whitelist',
  'file,pipe',
  '-format_whitelist',
  FORMATS,
  '-i',
  `file:${resolve(path)}`,
];

type Running = ChildProcessByStdio<null, Readable, Readable>;

/** The output of a program in pieces. @throws ConfigError where it is not installed, FormatError where it fails */
async function* outputOf(program: string, args: readonly string[]): AsyncGenerator<Buffer> {
  const child: Running = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
  let told = '';
  child.stderr.on('data', (text: Buffer) => {
    if (told.length < MAX_MESSAGE) told += text.toString('utf8');
  });
  const ended = new Promise<number>((done, fail) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ENOENT' ? missing(program, error) : error),
    );
    child.once('close', (code) => done(code ?? 1));
  });
  // Told where it is awaited; until then it is no unhandled rejection.
  ended.catch(() => {});
  let finished = false;
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    const code = await ended;
    finished = true;
    if (code === 0) return;
    const reason = told.replace(/\s+/gu, ' ').trim().slice(0, MAX_MESSAGE);
    throw new FormatError(
      `video: expected a file that ${program} reads, got: ${reason || `exit code ${code}`}`,
      {
        code: 'video-unreadable',
      },
    );
  } finally {
    if (!finished) child.kill('SIGKILL');
  }
}

/** Whether the programs are there. @throws ConfigError naming the package to install */
export const requireFfmpeg = async ({
  ffmpeg = 'ffmpeg',
  ffprobe = 'ffprobe',
}: VideoPrograms = {}): Promise<void> => {
  for (const program of [ffmpeg, ffprobe]) for await (const _ of outputOf(program, ['-version'])) continue;
};

/** Frames of the first video stream; 0 where there is none. @throws FormatError for a file that can't be read */
export const countFrames = async (
  path: string,
  { ffprobe = 'ffprobe' }: VideoPrograms = {},
): Promise<number> => {
  const asked = [
    '-select_streams',
    'v:0',
    '-count_packets',
    '-show_entries',
    'stream=nb_read_packets',
    '-of',
    'json',
  ];
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const piece of outputOf(ffprobe, [...asked, ...input(path)])) {
    bytes += piece.length;
    if (bytes <= MAX_PROBE_BYTES) parts.push(piece);
  }
  const { streams } = parseJson(Buffer.concat(parts), 'ffprobe') as {
    streams?: readonly { readonly nb_read_packets?: string }[];
  };
  const count = Number(streams?.[0]?.nb_read_packets ?? 0);
  return Number.isSafeInteger(count) ? count : 0;
};

/** A frame: row-major H·W·3, 8 bits. */
export interface VideoFrame {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** The header of a PPM image, as ffmpeg writes one for each frame: `P6\nW H\n255\n`. */
const HEADER = /^P6\s(\d{1,6})\s(\d{1,6})\s255\s/u;
const MAX_HEADER = 32;
/** Bytes of the shortest frame, a header of one pixel and its three bytes: less tells nothing. */
const MIN_HEADER = 14;

/**
 * Frames at ascending indices, turned upright.
 * @param frameBytes most bytes of one
 * @throws FormatError for a file that can't be read, or frames beyond the bound
 */
export async function* videoFrames(
  path: string,
  indices: readonly number[],
  { frameBytes, ffmpeg = 'ffmpeg' }: VideoPrograms & { readonly frameBytes: number },
): AsyncGenerator<VideoFrame> {
  const [first = 0, second = first + 1] = indices;
  const step = second - first;
  const select = `select=gte(n\\,${first})*not(mod(n-${first}\\,${step}))`;
  const form = ['-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', 'pipe:1'];
  const args = ['-nostdin', '-threads', '1', ...input(path), '-map', '0:v:0', '-vf', select];
  // Pieces are put together when there are enough for the next frame.
  let pieces: Uint8Array[] = [];
  let length = 0;
  let needed = MIN_HEADER;
  for await (const piece of outputOf(ffmpeg, [
    ...args,
    // Frames as they come, none doubled or dropped to keep a rate.
    '-vsync',
    'passthrough',
    '-frames:v',
    String(indices.length),
    ...form,
  ])) {
    pieces.push(piece);
    length += piece.length;
    while (length >= needed) {
      const held = Buffer.concat(pieces);
      const header = HEADER.exec(held.toString('latin1', 0, MAX_HEADER));
      if (!header) throw new FormatError('video: expected frames as PPM of ffmpeg, got other bytes');
      const [width, height] = [Number(header[1]), Number(header[2])];
      const bytes = width * height * 3;
      if (bytes > frameBytes) {
        throw new FormatError(
          `video: expected frames of at most ${frameBytes} bytes, got ${width} x ${height}; raise budgets.decodeBytes or make the video smaller`,
          { code: 'video-too-large' },
        );
      }
      const end = header[0].length + bytes;
      needed = end;
      pieces = [held];
      if (held.length < end) break;
      yield { width, height, pixels: Uint8Array.from(held.subarray(header[0].length, end)) };
      pieces = [held.subarray(end)];
      length = held.length - end;
      needed = MIN_HEADER;
    }
  }
}
