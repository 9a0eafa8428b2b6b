import { expect, test } from '@jest/globals';
import { capsAdmit } from '@exequatur/caps';
import type { Grant } from '@exequatur/contracts';
import { canonicalText, isRefusal, readPointer, replaceAtPointer, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import fc from 'fast-check';
import { approveBy, CONTENT, FIONA, NOW, OTHER_VOTE_ID, proposalOf, requestFor, SALT } from './approval.fixture.js';
import { readAmountArgument } from './amount-argument.js';
import type { ApprovalCommand, ApprovalEvent, ApprovalState } from './approval.js';
import { decide } from './decide.js';
import { evolve, initialState } from './evolve.js';
import type { VoteCaps } from './narrowing.js';
import { openedData } from './request-facts.js';
import type { RequestFacts } from './request-facts.js';

const LONG = process.env['EXEQUATUR_LONG'] === '1';
/** EXEQUATUR_LONG=1 runs a million. */
const RUNS = LONG ? 1_000_000 : 20_000;

const ADDRESSES = ['a@x.example', 'b@x.example', 'c@y.example', 'A@X.example'];
const recipients = fc.uniqueArray(fc.constantFrom(...ADDRESSES), { minLength: 1, maxLength: 3 });
const dollars = fc.integer({ min: 0, max: 300 });
const proposals = fc.record({ amount: fc.oneof(dollars.map((n) => n.toFixed(2)), dollars), to: recipients, note: fc.constantFrom('one', 'two'), account: fc.constantFrom('acct_1', 'acct_2') });
type Arguments = { readonly amount: string | number; readonly to: readonly string[]; readonly note: string; readonly account: string };

/** Caps near the proposal: below, at and now and then above it. */
const capChoices = fc.record(
  { percent: fc.integer({ min: 1, max: 110 }), keep: fc.integer({ min: 1, max: 7 }), outsider: fc.constantFrom(false, false, false, false, true), expires_in_ms: fc.integer({ min: 500, max: 1_000_000 }), max_uses: fc.nat({ max: 3 }) },
  { requiredKeys: [], noNullPrototype: true },
);
const capsFor = (proposed: Arguments, { percent, keep, outsider, expires_in_ms, max_uses }: { percent?: number; keep?: number; outsider?: boolean; expires_in_ms?: number; max_uses?: number }): VoteCaps => ({
  ...(percent === undefined ? {} : { max_amount: { USD_MICROCENTS: String((amountOf(proposed as JsonValue) / 1_000_000n / 100n) * BigInt(percent) * 1_000_000n) } }),
  ...(keep === undefined ? {} : { allowed_recipients: [...proposed.to.filter((_, index) => ((keep >> index) & 1) === 1), ...(outsider === true ? ['eve@evil.example'] : [])] }),
  ...(expires_in_ms === undefined ? {} : { expires_in_ms }),
  ...(max_uses === undefined ? {} : { max_uses }),
});
/** What the holder of a grant tries: other values in some places, another environment or tool, another moment. */
const changes = fc.record(
  { amount: fc.oneof(dollars.map((n) => n.toFixed(2)), dollars), to: recipients, note: fc.constantFrom('one', 'two', 'three'), account: fc.constantFrom('acct_1', 'acct_2', 'acct_3'), extra: fc.constant('x') },
  { requiredKeys: [], noNullPrototype: true },
);
const executions = fc.record({ base: fc.constantFrom<'granted' | 'proposed'>('granted', 'granted', 'granted', 'proposed'), changes: fc.oneof(fc.constant({}), changes), environment: fc.constantFrom('prod', 'prod', 'prod', 'stage'), afterMs: fc.oneof(fc.constant(1_000), fc.nat({ max: 2_000_000 })), use: fc.constantFrom(1, 1, 2, 3) });
const edits = fc.option(fc.record({ amount: fc.oneof(dollars.map((n) => n.toFixed(2)), dollars), to: recipients, note: fc.constantFrom('edited', 'one'), account: fc.constantFrom('acct_1', 'acct_2') }, { requiredKeys: [], noNullPrototype: true }), { nil: undefined, freq: 4 });

const narrowable = { amounts: { USD: '/amount' }, recipients: '/to' };
const amountOf = (args: JsonValue): bigint => readAmountArgument(readPointer(args, '/amount'), 'USD')?.amount ?? -1n;
const recipientsOf = (args: JsonValue): readonly string[] => [readPointer(args, '/to') ?? []].flat() as string[];

const requestOfProposal = (proposed: Arguments): RequestFacts => {
  const base = requestFor(proposed as JsonValue);
  return { ...base, narrowable, facts: { ...base.facts, amounts: [{ unit: 'USD_MICROCENTS', amount: String(amountOf(proposed as JsonValue)) }] }, caps: { environments: ['prod'], max_uses: 2 } };
};

const VIEW = { view_hash: `sha256:${'d'.repeat(64)}`, renderer: 'card/2' };

interface Decided {
  readonly grant: Grant;
  readonly granted: JsonValue;
}

/** One person's whole decision, as proposed, capped or edited; undefined when it was refused. */
const decided = (request: RequestFacts, proposed: Arguments, voteCaps: VoteCaps, edit: Partial<Arguments> | undefined): Decided | undefined => {
  const proposal = proposalOf(proposed as JsonValue, { target: proposed.account });
  // Which card was seen plays no part here, and rendering it would be most of the time.
  const opening = { type: 'ApprovalOpened', data: openedData(request, VIEW) } as const;
  const content = { ...CONTENT, proposal };
  const view = { viewHash: opening.data.view_hash, content };
  const command: ApprovalCommand = edit === undefined ? approveBy(FIONA, { ...view, caps: voteCaps }) : { type: 'Edit', metadata: { now: NOW, voteEventId: OTHER_VOTE_ID }, data: { voter: FIONA, ...view, arguments: canonicalText({ ...proposed, ...edit } as JsonValue) } };
  const decision = decide(command, [opening as ApprovalEvent].reduce<ApprovalState>(evolve, initialState()));
  if (isRefusal(decision)) return undefined;
  const granted = decision.find((event) => event.type === 'ApprovalGranted');
  if (granted?.type !== 'ApprovalGranted' || granted.claims === undefined || granted.sealed === undefined) throw new Error('a quorum of one grants');
  return { grant: granted.claims, granted: JSON.parse(granted.sealed.arguments) as JsonValue };
};

/** What reservations asks of an exact grant: the bytes, the time, the uses, and its caps. */
const admitted = (grant: Grant, args: JsonValue, { environment, afterMs, use }: { readonly environment: string; readonly afterMs: number; readonly use: number }): boolean =>
  saltedHash(SALT, Buffer.from(canonicalText(args), 'utf8')) === grant.granted_arguments_hash &&
  NOW + afterMs < Date.parse(grant.expires_at) &&
  use <= grant.max_uses &&
  capsAdmit(grant.caps, { amounts: { USD_MICROCENTS: amountOf(args) }, recipients: recipientsOf(args), environment, tool: grant.tool.name }) === undefined;

test(`invariant 17: ${RUNS} random triples of proposal, caps and execution, none outside`, () => {
  const seen = { granted: 0, admitted: 0, narrowed: 0, edited: 0, refused: 0 };
  fc.assert(
    fc.property(proposals, capChoices, executions, edits, (proposed, choices, execution, edit) => {
      const voteCaps = capsFor(proposed, choices);
      const request = requestOfProposal(proposed);
      const decision = decided(request, proposed, voteCaps, edit);
      if (decision === undefined) {
        seen.refused += 1;
        return;
      }
      seen.granted += 1;
      const { grant, granted } = decision;
      const base = execution.base === 'granted' ? granted : (proposed as JsonValue);
      const args = Object.entries(execution.changes).reduce<JsonValue>((value, [key, next]) => replaceAtPointer(value, `/${key}`, next as JsonValue) ?? { ...(value as object), [key]: next as JsonValue }, base);
      if (!admitted(grant, args, execution)) return;
      seen.admitted += 1;
      // Inside the proposal, on every dimension.
      expect(amountOf(args) >= 0n && amountOf(args) <= amountOf(proposed as JsonValue)).toBe(true);
      expect(recipientsOf(args).every((one) => proposed.to.includes(one))).toBe(true);
      expect(readPointer(args, '/account')).toBe(proposed.account);
      expect(execution.environment).toBe('prod');
      expect(execution.use <= 2 && execution.afterMs < 900_000).toBe(true);
      expect(BigInt(grant.amounts[0]?.amount ?? '-1') <= amountOf(proposed as JsonValue)).toBe(true);
      if (edit !== undefined) {
        seen.edited += 1;
        return;
      }
      // And inside what the person set.
      const most = voteCaps.max_amount?.['USD_MICROCENTS'];
      if (most !== undefined) expect(amountOf(args) <= BigInt(most)).toBe(true);
      if (voteCaps.allowed_recipients !== undefined) expect(recipientsOf(args).every((one) => voteCaps.allowed_recipients?.some((allowed) => allowed.toLowerCase() === one.toLowerCase()))).toBe(true);
      if (voteCaps.max_uses !== undefined) expect(execution.use <= voteCaps.max_uses).toBe(true);
      if (voteCaps.expires_in_ms !== undefined) expect(execution.afterMs < voteCaps.expires_in_ms).toBe(true);
      // Nothing else was touched.
      expect(readPointer(args, '/note')).toBe(proposed.note);
      if (canonicalText(args) !== canonicalText(proposed as JsonValue)) seen.narrowed += 1;
    }),
    { numRuns: RUNS },
  );
  // The property means nothing unless each of these happened often.
  for (const [what, times] of Object.entries(seen)) expect([what, times > RUNS / 500]).toEqual([what, true]);
}, LONG ? 3_600_000 : 120_000);
