export * from './finding.ts';
export * from './forecast/forecast.ts';
export * from './snapshot.ts';
export * from './tcp/kind.ts';
export * from './tcp/states.ts';
