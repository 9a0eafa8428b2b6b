export { conditions } from './conditions.js';
export { argumentSchemas } from './argument-schemas.js';
export { extractors } from './extractors.js';
export { draftRule } from './draft-rule.js';
export type { DraftedRule } from './draft-rule.js';
export { readPolicyText } from './policy-text.js';
export type { PolicyText, TextPlace } from './policy-text.js';

import { argumentSchemas } from './argument-schemas.js';
import { conditions } from './conditions.js';
import { extractors } from './extractors.js';

/** What policy-domain's ports ask for (`PolicyLanguages`): CEL conditions, JSON Schema of arguments, and CEL that reads arguments. */
export const policyLanguages = { conditions, schemas: { ...argumentSchemas, extractor: extractors.compile } } as const;
