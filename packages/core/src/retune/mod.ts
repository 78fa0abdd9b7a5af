export * from './options.ts';
export * from './plan.ts';
export { guardRetune, refuseRetune } from './refusal.ts';
export { type OptionChange, optionChanges, wishText } from './words.ts';
