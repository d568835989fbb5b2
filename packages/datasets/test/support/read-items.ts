import type { Fault, Reader, Sample } from '@polygate/datasets';

/** What a part of the mini suite gives: samples by split, and faults. */
export const readItems = async (set: {
  readonly reader: Reader;
  splitOf(sample: Sample): string;
}): Promise<{
  readonly splits: Readonly<Record<string, readonly Sample[]>>;
  readonly faults: readonly Fault[];
}> => {
  const splits: Record<string, Sample[]> = {};
  const faults: Fault[] = [];
  for await (const item of set.reader.read()) {
    if (item.kind === 'fault') faults.push(item);
    else (splits[set.splitOf(item)] ??= []).push(item);
  }
  return { splits, faults };
};
