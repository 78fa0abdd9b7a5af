export * from './analyse.ts';
export type * from './ast.ts';
export { compileCandidates, compileFilter, type FilterContext, type RowPredicate } from './evaluate.ts';
export { FilterError, renderFilterError } from './filter_error.ts';
export { nearestWord } from './nearest.ts';
export { type FilterOptions, parseFilter } from './parse.ts';
export { parseDurationMs } from './values.ts';
