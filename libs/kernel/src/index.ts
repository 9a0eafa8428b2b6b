export * from './amount.js';
export * from './canonical.js';
export * from './clock.js';
export * from './ids.js';
export * from './json.js';
export * from './pointer.js';
export * from './refusal.js';
export * from './strict-json.js';
