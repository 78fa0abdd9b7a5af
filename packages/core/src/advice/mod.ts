export * from './advice_here.ts';
export * from './advice_text.ts';
export * from './all_advice.ts';
export { FOREIGN_SETTINGS } from './foreign/judge_foreign.ts';
export * from './judge_advice.ts';
export * from './judgement.ts';
export * from './nearest_advice.ts';
