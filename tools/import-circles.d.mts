export declare const circlesOf: (
  graph: ReadonlyMap<string, readonly string[]>,
) => readonly (readonly string[])[];
export declare const circlesIn: (root: string) => readonly (readonly string[])[];
