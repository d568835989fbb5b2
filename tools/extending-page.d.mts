export const PAGE: string;
export const exampleFiles: () => readonly string[];
export const placesOf: (page: string) => readonly string[];
export const withExamples: (page: string) => string;
