/** The files of a Debian package as a tar stream, by the program that unpacks them everywhere: dpkg-deb. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { FormatError, StateError } from '@polygate/core';

/** Most characters of what the program says that an error repeats. */
const MAX_SAID = 300;

/**
 * Streams the data archive of a .deb.
 * @throws StateError where dpkg-deb is not installed, FormatError where it refuses the file
 */
export async function* debianTar(path: string): AsyncGenerator<Uint8Array> {
  const child = spawn('dpkg-deb', ['--fsys-tarfile', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(0, MAX_SAID);
  });
  const closed = once(child, 'close').catch((cause: unknown) => {
    throw new StateError(
      `Debian package ${path}: expected the program dpkg-deb to unpack it, got none; install dpkg (Debian and Ubuntu have it, Homebrew and Fedora have packages of that name)`,
      { code: 'program-missing', fields: { program: 'dpkg-deb' }, cause },
    );
  });
  closed.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
  } finally {
    child.kill();
  }
  const [code] = (await closed) as [number | null];
  // The end of a tar archive may be reached before that of the stream; then the program is stopped without a code.
  if (code !== 0 && code !== null) {
    throw new FormatError(
      `Debian package ${path}: expected an archive that dpkg-deb unpacks, got: ${said.trim().replace(/\s+/gu, ' ')}; remove it and run again`,
      { code: 'package-damaged', fields: { path } },
    );
  }
}
