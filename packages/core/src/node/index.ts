/** What needs Node's files and processes: `@polygate/core/node`. The rest of core runs anywhere. */
export { recoverDirectory, removeTemporaries, writeDirectoryAtomic } from './atomic-directory.ts';
export { requireWritable, sha256File, syncDirectory, writeError, writeFileAtomic } from './files.ts';
export { writeFileDigested } from './digested-file.ts';
export type { DigestedFile, FileDigest } from '../byte-source.ts';
export { makeFolder, makeFolderSync } from './folders.ts';
export { acquireLock } from './lock.ts';
export type { Lock, LockOptions } from './lock.ts';
export { freePort } from './free-port.ts';
export { jsonlMetricSink } from './jsonl-metrics.ts';
export { requireInside } from './inside-folder.ts';
export type { LinkPolicy } from './inside-folder.ts';
export { extensionsOf, layExtensions, loadExtensions } from './extensions.ts';
export type { ExtensionRequest, LaidExtensions } from './extensions.ts';
export { endingWork } from './ending-work.ts';
export type { ExtensionEntry, LoadedExtension } from './extension-modules.ts';
export {
  changedExtensions,
  loadStoredExtensions,
  recordExtensions,
  storedExtensions,
} from './extension-records.ts';
export type {
  ChangedExtension,
  ExtensionRecord,
  RecordedRequest,
  StoredExtension,
} from './extension-records.ts';
export { extensionOrigin } from './extension-origin.ts';
export type { ExtensionOrigin } from './extension-origin.ts';
export { codeFingerprint } from './code-fingerprint.ts';
