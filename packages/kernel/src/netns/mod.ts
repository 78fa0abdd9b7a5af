export * from './enter.ts';
export * from './list.ts';
export * from './path.ts';
