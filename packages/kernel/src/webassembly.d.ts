// What is used of it: TypeScript describes WebAssembly only together with the whole browser.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: unknown;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
    /** @returns the size before, in pages of 64 KiB. All earlier `buffer`s are detached. */
    grow(pages: number): number;
  }
  interface Global {
    value: number;
  }
}
