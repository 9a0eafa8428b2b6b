export { AUTHORITY_PARTS, authorityContains, scopeCovers, toolCovers, widerPart } from './authority.js';
export type { AuthorityPart } from './authority.js';
export { AUTHORITY_DIMENSIONS, capsAdmit, EXECUTION_DIMENSIONS } from './admit.js';
export type { ActionFacts } from './admit.js';
export { amountIn, boundArguments, fixedHashOf, fixedPart, isAmong } from './bound-arguments.js';
export type { BoundArguments } from './bound-arguments.js';
export { totalsOf } from './totals.js';
export { capsContain, intersectCaps, normalCaps } from './contain.js';
export type { CapDimension } from './dimensions.js';
