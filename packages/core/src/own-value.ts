/**
 * The value under a key that a user typed or a file holds, by the table's own keys only: `constructor`, `toString`
 * and `__proto__` are names like any other and are not found unless somebody put them there.
 */
export const ownValue = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;
