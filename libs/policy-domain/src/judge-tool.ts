import type { PolicyFacts } from '@exequatur/contracts';
import type { Policy } from './policy.js';
import type { Candidate } from './ruling.js';
import { versionWithin } from './tool-version.js';

/**
 * What the tool table itself says against facts: another kind than the tool does, a version that is not allowed, or, for a
 * kind that some tool of the table does, a tool it does not know; naming such a one would escape extractors and points.
 * @param served kinds that some tool of the table does
 */
export const judgeTool = (policy: Policy, served: ReadonlySet<string>, { tool, action_kind }: PolicyFacts): readonly Candidate[] => {
  const id = `tool:${tool.name}`;
  const entry = Object.hasOwn(policy.tools, tool.name) ? policy.tools[tool.name] : undefined;
  if (entry === undefined) {
    return served.has(action_kind) ? [{ decision: 'deny', id, code: 'TOOL_NOT_ALLOWED', reason: 'This kind of action is done by other tools' }] : [];
  }
  if (entry.kind !== action_kind) return [{ decision: 'quarantine', id, code: 'QUARANTINED_OUT_OF_BOUNDS', reason: 'This tool does another kind of action' }];
  const isAllowed = entry.versions === undefined || entry.versions.some((wanted) => versionWithin(wanted, tool.version) === true);
  return isAllowed ? [] : [{ decision: 'deny', id, code: 'TOOL_NOT_ALLOWED', reason: 'This tool version is not allowed' }];
};
