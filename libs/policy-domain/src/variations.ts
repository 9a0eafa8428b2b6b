import type { ArgumentBound } from '@exequatur/contracts';
import { isExpression } from './argument-schema.js';
import type { ArgumentVariation, Policy, PolicyTool } from './policy.js';

/**
 * What a ruling lets vary, in the terms of the tool that is asked for. An amount has to be one that the tool lets be narrowed.
 * A listed argument must be nothing that the target or a fact is read from, since those are bound, and judged, as proposed; a
 * tool that reads by an expression may read anything. What does not fit stays as proposed, and so does all in what the
 * executor carries out: it sends the bytes that were granted.
 */
export const variationsOn = (policy: Policy, { tool: { name }, execution_mode: mode }: { readonly tool: { readonly name: string }; readonly execution_mode: string }, varies: readonly ArgumentVariation[] = []): readonly ArgumentBound[] => {
  const tool = Object.hasOwn(policy.tools, name) ? policy.tools[name] : undefined;
  if (tool === undefined || mode !== 'self') return [];
  return varies.flatMap(({ argument, one_of }) => (one_of === undefined ? amountAt(tool, argument) : listedAt(tool, argument, one_of)));
};

const amountAt = (tool: PolicyTool, pointer: string): readonly ArgumentBound[] =>
  tool.bounded.includes(pointer) ? Object.entries(tool.amounts).flatMap(([unit, at]) => (at === pointer ? [{ pointer, unit }] : [])).slice(0, 1) : [];

const listedAt = (tool: PolicyTool, pointer: string, one_of: readonly string[]): readonly ArgumentBound[] => {
  const { target, environment, rows, model, reversal } = tool;
  const read = [target, environment, rows, model, ...Object.values(tool.amounts), ...Object.values(tool.named ?? {})].flatMap((source) => source ?? []);
  if (reversal !== undefined || [...read, tool.recipients ?? ''].some(isExpression)) return [];
  return read.some((other) => overlaps(pointer, other)) ? [] : [{ pointer, one_of }];
};

/** Whether one place lies in the other. */
export const overlaps = (one: string, other: string): boolean => one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
