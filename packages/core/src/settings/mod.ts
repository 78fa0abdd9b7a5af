export * from './catalogue.ts';
export * from './check.ts';
export * from './meaning.ts';
export type * from './setting.ts';
