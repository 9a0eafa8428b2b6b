import { policyFile } from '@exequatur/policy-domain';
import type { LayerKind, PolicyFile } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';

/** A policy, or a layer, from its YAML text; every fault with line and column. */
export const readPolicyFile = (source: string, layer?: LayerKind): PolicyFile => policyFile(source, readPolicyText, policyLanguages, layer);
