/** Moby-Dick by chapters; those from 121 on and the epilogue are validation. */
import type { Reader, ReaderItem, Sample } from '../samples/sample.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { mobyDick } from './sources/moby-dick.ts';

/** First chapter of the validation side. */
export const FIRST_VALIDATION_CHAPTER = 121;
const CHAPTERS = 135;

export interface MobyDickOptions {
  /** Every n-th chapter is used, for fast tests. @default 1 */
  readonly every?: number;
}

/** The novel with its reader: one sample per chapter, whose texts are the paragraphs. */
export interface MobyDickSet {
  readonly reader: Reader;
  splitOf(sample: Sample): 'train' | 'validation';
}

const idOf = (chapter: number): string => `chapter-${String(chapter).padStart(3, '0')}`;
const EPILOGUE = 'epilogue';

/** Loads the novel. @throws FormatError for other package content */
export const loadMobyDick = async (
  options: MobyDickOptions = {},
  packages: PackageOptions = {},
): Promise<MobyDickSet> => {
  const files = await openSource(mobyDick, packages);
  const paragraphs = async (name: string): Promise<string[]> => {
    const { text } = JSON.parse((await files.read(`data/${name}.json`)).toString('utf8')) as { text: string };
    return text
      .split(/\n\s*\n/u)
      .map((paragraph) => paragraph.replace(/\s+/gu, ' ').trim())
      .filter((paragraph) => paragraph !== '');
  };
  return {
    reader: {
      name: 'moby-dick',
      async *read(): AsyncGenerator<ReaderItem> {
        const extra = { source: 'moby-dick' };
        for (let chapter = 1; chapter <= CHAPTERS; chapter += options.every ?? 1) {
          yield { kind: 'sample', id: idOf(chapter), texts: await paragraphs(`chapter_${chapter}`), extra };
        }
        yield { kind: 'sample', id: EPILOGUE, texts: await paragraphs('epilogue'), extra };
      },
    },
    splitOf: ({ id }) => (id === EPILOGUE || id >= idOf(FIRST_VALIDATION_CHAPTER) ? 'validation' : 'train'),
  };
};
