import type { PolicyFacts } from '@exequatur/contracts';
import type { Policy } from './policy.js';
import type { Candidate } from './ruling.js';

/**
 * What the tool table itself says against facts: another kind than the tool does, a version that is not allowed, or, for a
 * kind that some tool of the table does, a tool it does not know; naming such a one would escape extractors and points.
 */
export const judgeTool = (policy: Policy, { tool, action_kind }: PolicyFacts): readonly Candidate[] => {
  const id = `tool:${tool.name}`;
  const entry = Object.hasOwn(policy.tools, tool.name) ? policy.tools[tool.name] : undefined;
  if (entry === undefined) {
    const isServed = Object.values(policy.tools).some(({ kind }) => kind === action_kind);
    return isServed ? [{ decision: 'deny', id, code: 'TOOL_NOT_ALLOWED', reason: 'This kind of action is done by other tools' }] : [];
  }
  if (entry.kind !== action_kind) return [{ decision: 'quarantine', id, code: 'QUARANTINED_OUT_OF_BOUNDS', reason: 'This tool does another kind of action' }];
  const isAllowed = entry.versions === undefined || entry.versions.includes(tool.version);
  return isAllowed ? [] : [{ decision: 'deny', id, code: 'TOOL_NOT_ALLOWED', reason: 'This tool version is not allowed' }];
};
