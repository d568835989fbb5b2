import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, ConfigError, excerpt, overBudget, resolveBudgets } from '@polygate/core';
import { readBytes } from '../archives/byte-source.ts';
import { ClassFinder, createLabelIndex, labelName } from '../samples/class-names.ts';
import { isJunk } from '../files/junk.ts';
import { requireFile } from '../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { orderSplits, splitOfFile } from '../splits/split-names.ts';
import { readTar, type TarEntry } from '../archives/tar.ts';
import {
  assemble,
  labelOf,
  MAX_MEMBERS,
  membersOf,
  splitName,
  type MemberRules,
} from './webdataset-members.ts';
import { z } from 'zod';
import { expandFiles, inputsOfFiles } from '../files/file-patterns.ts';
import { expandBraces } from '../files/brace-names.ts';
import { renameClasses } from '../samples/class-renames.ts';
import { defineReader } from './dataset-reader.ts';
import { classSettings, textSetting } from './reader-settings.ts';
import { webDatasetFit } from './webdataset-fit.ts';

export interface WebDatasetOptions {
  /** Archives, plain or gzip, read in this order. */
  readonly files: readonly string[];
  /** Member that is the image, such as `depth.png`. @default the one that is just `jpg`, `png` or the like */
  readonly image?: string;
  /** Member that holds the captions, such as `caption.txt`. @default `txt`, `text`, `caption` or `json` */
  readonly text?: string;
  /** Class names in label order; labels are then names or indices. */
  readonly classes?: readonly string[];
  /** Whether classes are those labels that occur, where none are given. @default false */
  readonly findClasses?: boolean;
  /**
   * Whether names of archives such as `train-0001.tar` and `val-0001.tar` say the splits, where all have one.
   * @default true
   */
  readonly splitsByName?: boolean;
  /** `memberBytes` bounds a member, `textBytes` one that is text, `sampleBytes` all of one key. @default those of core */
  readonly budgets?: Partial<Budgets>;
  /** Told, once for each archive, what is odd about one that is read all the same, such as a missing end marker. */
  readonly onNote?: (note: string) => void;
}

/** Names of archives in ids: the last parts of their paths, as many as tell them apart. @throws ConfigError */
const archiveNames = (files: readonly string[]): readonly string[] => {
  const parts = files.map((file) => file.split(/[\\/]/u).filter((part) => part !== '' && part !== '.'));
  const longest = Math.max(...parts.map((list) => list.length));
  for (let count = 1; count <= longest; count += 1) {
    const names = parts.map((list) => list.slice(-count).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  const twice = files.find((file, index) => files.indexOf(file) !== index) ?? files[0] ?? '';
  throw new ConfigError(`WebDataset: expected each archive once, got ${twice} twice; leave one out`, {
    code: 'archive-twice',
  });
};

interface Group {
  readonly id: string;
  readonly entries: readonly TarEntry[];
  /** Whether the key was there before in this archive, with other members between. */
  readonly again: boolean;
  /** Bytes of all members, where they are too many; their content is gone then. */
  readonly bytes?: number;
}

async function* groupsOf(
  file: string,
  options: {
    readonly name: string;
    readonly budgets: Budgets;
    readonly onNote: (note: string) => void;
  },
): AsyncGenerator<Group | ReaderItem> {
  const { name, onNote } = options;
  const { memberBytes, sampleBytes } = options.budgets;
  let bytes = 0;
  const seen = new Set<string>();
  let entries: TarEntry[] = [];
  let key: string | undefined;
  const finish = (): Group => {
    const sample = key ?? '';
    const again = seen.has(sample);
    seen.add(sample);
    return { id: `${name}/${sample}`, entries, again, ...(bytes > sampleBytes ? { bytes } : {}) };
  };
  const tar = { name: basename(file), maxEntryBytes: memberBytes, onNote };
  for await (const entry of readTar(readBytes(file), tar)) {
    if (isJunk(entry.path)) continue;
    const next = splitName(entry.path);
    if (next === undefined) {
      yield fault(
        `${name}/${entry.path}`,
        entry.problem?.code ?? 'no-suffix',
        entry.problem?.reason ?? 'expected a member named KEY.KIND, got a name without a dot',
      );
      continue;
    }
    if (key !== undefined && next.key !== key) {
      yield finish();
      entries = [];
      bytes = 0;
    }
    key = next.key;
    bytes += entry.body?.length ?? 0;
    // One member too many, or a byte, marks the sample; the rest of such a run is not kept.
    if (bytes > sampleBytes) entries = entries.map((each) => ({ ...each, body: undefined }));
    if (entries.length <= MAX_MEMBERS)
      entries.push(bytes > sampleBytes ? { ...entry, body: undefined } : entry);
  }
  if (key !== undefined) yield finish();
}

/**
 * Reads WebDataset archives: neighbouring members of one key form a sample (`jpg`, `png` and the like for the image,
 * `txt` or `json` for captions, `cls` for the class). Ids are `ARCHIVE/KEY`.
 * @throws ConfigError for missing files; while reading, FormatError for a broken archive; members cut short are faults
 */
export const openWebDataset = async (options: WebDatasetOptions): Promise<Reader> => {
  for (const file of options.files) {
    if (/[*?]/u.test(file) || isAddress(file)) {
      throw new ConfigError(
        `WebDataset: expected the name of a file, got ${excerpt(basename(file))}; fetch archives first, and write many as shard-{000..127}.tar`,
        { code: 'archive-name', fields: { file } },
      );
    }
    await requireFile(file, 'WebDataset archive');
  }
  if (options.files.length === 0)
    throw new ConfigError('WebDataset: expected at least one archive, got none');
  const names = archiveNames(options.files);
  const budgets = resolveBudgets(options.budgets);
  const told = new Set<string>();
  const onNote = (note: string): void => {
    if (!told.has(note)) options.onNote?.(note);
    told.add(note);
  };
  const splits = options.files.map((file) => splitOfFile(basename(file)));
  const followed = (options.splitsByName ?? true) && !splits.includes(undefined);
  const archives = options.files.map((file, index) => ({
    file,
    name: names[index] ?? file,
    ...(followed ? { split: splits[index] ?? '' } : {}),
  }));
  let classes = options.classes;
  if (!classes && options.findClasses) {
    const classFinder = new ClassFinder(`WebDataset ${names[0] ?? ''}`);
    for (const { file, name } of archives) {
      for await (const group of groupsOf(file, { name, budgets, onNote })) {
        const label = 'entries' in group ? labelName(labelOf(membersOf(group.entries))) : undefined;
        if (label !== undefined) classFinder.add(label);
      }
    }
    classes = classFinder.classes();
  }
  const rules: MemberRules = {
    ...options,
    memberBytes: budgets.memberBytes,
    textBytes: budgets.textBytes,
    ...(classes
      ? { classes, labelOf: createLabelIndex(classes, { given: options.classes !== undefined }) }
      : {}),
  };
  return {
    name: basename(options.files[0] ?? ''),
    ...(classes ? { classes } : {}),
    ...(followed ? { splits: orderSplits(splits.map((split) => split ?? '')) } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const { file, name, split } of archives) {
        for await (const group of groupsOf(file, { name, budgets, onNote })) {
          if (!('entries' in group)) yield group;
          else if (group.again) {
            yield fault(
              group.id,
              'repeated-key',
              'expected the members of a key side by side, got more of it later in the archive; sort the archive by name (tar --sort=name)',
            );
          } else if (group.bytes !== undefined) {
            const problem = overBudget('sampleBytes', budgets.sampleBytes, `${group.bytes} or more`);
            yield fault(group.id, 'sample-too-large', problem);
          } else {
            const item = assemble(group.id, group.entries, rules);
            yield item.kind === 'sample' && split !== undefined ? { ...item, split } : item;
          }
        }
      }
    },
  };
};

/** Whether a name is an address or a command: those are not fetched, nor run. */
const isAddress = (name: string): boolean => /(?:^|[\\/])(?:pipe:|[a-z]{2,}:[\\/])/iu.test(name);

/** Archives by name, folder and pattern; addresses are left for the reader to refuse. */
const archivesOf = async (
  names: readonly string[],
  within: readonly string[],
): Promise<readonly string[]> => {
  const files: string[] = [];
  for (const name of names) {
    const stats = await stat(name).catch(() => undefined);
    const stands = stats ? stats.isDirectory() : /[*?[]/u.test(name) && !isAddress(name);
    if (!stands) files.push(name);
    else {
      const options = { within, what: 'WebDataset', extensions: ['.tar', '.tar.gz', '.tgz'] };
      files.push(...(await expandFiles(name, options)).map(({ path }) => path));
    }
  }
  return files;
};

export const webDatasetReader = defineReader({
  name: 'webdataset',
  summary: 'tar archives of WebDataset, plain or gzip',
  needs: '.tar or .tar.gz archives whose members KEY.jpg, KEY.txt, KEY.cls ... stand side by side',
  settings: {
    /** Archives and folders of them; `train-{000..127}.tar` and `*.tar` stand for many. */
    files: z
      .array(textSetting)
      .min(1)
      .transform((files) => files.flatMap(expandBraces)),
    /** Member that is the image, such as `depth.png`. */
    image: textSetting.optional(),
    /** Member that holds the captions. */
    text: textSetting.optional(),
    ...classSettings,
    kind: z.enum(['captioned-image', 'labelled-image']).default('captioned-image'),
  },
  kinds: ['captioned-image', 'labelled-image'],
  paths: { files: 'all' },
  inputs: ({ files }) => inputsOfFiles(files),
  async open(settings, { within, budgets, onNote }) {
    const { kind, classes, classNames, split } = settings;
    const findClasses = kind === 'labelled-image';
    const splitsByName = split === undefined;
    const files = await archivesOf(settings.files, within);
    const reader = await openWebDataset({ ...settings, files, findClasses, splitsByName, budgets, onNote });
    return {
      kind,
      reader: findClasses ? renameClasses(reader, classNames) : reader,
      classesGiven: classes !== undefined,
    };
  },
  detect: webDatasetFit,
});
