import { policyFile } from '@exequatur/policy-domain';
import type { PolicyFile } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';

/** A policy from its YAML text; every fault with line and column. */
export const readPolicyFile = (source: string): PolicyFile => policyFile(source, readPolicyText, policyLanguages);
