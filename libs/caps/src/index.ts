export { AUTHORITY_DIMENSIONS, capsAdmit, EXECUTION_DIMENSIONS } from './admit.js';
export type { ActionFacts } from './admit.js';
export { capsContain, intersectCaps, normalCaps } from './contain.js';
export type { CapDimension } from './dimensions.js';
