export * from './advise.ts';
export * from './concerns.ts';
export * from './tuning.ts';
