/** What `#wasm-folder` is where there is no Node: whoever serves the .wasm files says where they lie. */

/** Unknown. */
export const wasmFolder = (_name: string): string | undefined => undefined;
