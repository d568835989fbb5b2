export const registerStandardKernels = (): void => {};
