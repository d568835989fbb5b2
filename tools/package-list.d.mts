export interface PackageEntry {
  readonly name: string;
  readonly folder: string;
  readonly layer: number;
  readonly description: string;
  readonly dependencies: readonly string[];
}
export declare const packagesIn: (workspace: string) => readonly PackageEntry[];
export declare const wrongDependencies: (packages: readonly PackageEntry[]) => readonly string[];
