export * from './checksum.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './segment.ts';
export * from './tap_filter.ts';
export * from './tcp.ts';
