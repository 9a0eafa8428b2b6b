import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AccountLinked } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { KeyServer } from '@exequatur/testing';
import { Installation, lockKeyOf, type Asked } from '../spec/installation.js';
import { startRacers, type ApprovalRacers } from '../spec/racers.js';
import type { RaceAnswer, RaceRequest } from '../spec/race-child.js';

const PROCESSES = 3;
/** EXEQUATUR_SEEDS for more; EXEQUATUR_SEED is the first, to repeat a run. */
const FIRST = Number(process.env['EXEQUATUR_SEED'] ?? Date.now() % 1_000_000);
const SEEDS = Array.from({ length: Number(process.env['EXEQUATUR_SEEDS'] ?? 3) }, (_, nth) => FIRST + nth);
const SLOW = 120_000;
/** With the lock of the request held until all wait for it; and as it comes. */
const STARTS = ['held', 'free'] as const;
const ROUNDS = SEEDS.flatMap((seed) => STARTS.map((start) => [seed, start] as const));

describe(`${PROCESSES} processes of approvals on one database, at one barrier`, () => {
  let here: Installation;
  let racers: ApprovalRacers;
  let provider: KeyServer;
  beforeAll(async () => {
    provider = await KeyServer.start();
    here = await Installation.start({ EXEQUATUR_IDENTITY_PROVIDERS: JSON.stringify([{ issuer: provider.issuer, name: 'Acme', tenant: 'acme', audience: 'https://api.example' }]) });
    racers = await startRacers(PROCESSES, here.environment);
  }, SLOW);
  afterAll(async () => {
    await racers.stop();
    await here.stop();
    await provider.stop();
  });

  const two = { stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, ttl_ms: 3_600_000, on_timeout: 'deny' as const };
  const at = ({ request }: Asked): string => `/v1/approvals/${request.approval_id}`;

  /** What a person sends who saw the request as it is now. */
  const decision = async (asked: Asked, verb: string, person: string, more: object = {}): Promise<RaceRequest> => {
    const seen = await here.show(asked);
    return {
      path: `${at(asked)}/${verb}`,
      headers: { authorization: `Bearer ${here.personToken(person)}`, 'content-type': 'application/json', 'idempotency-key': newId(), 'if-match': seen.etag },
      body: JSON.stringify({ view_hash: seen.body['view_hash'], ...more }),
      readAgain: at(asked),
    };
  };

  /** The same requests to other processes in each round. */
  const dealt = (seed: number, requests: readonly RaceRequest[]): readonly (readonly RaceRequest[])[] => Array.from({ length: PROCESSES }, (_, nth) => requests.filter((__, each) => (each + seed) % PROCESSES === nth));

  const waitingFor = async ({ request }: Asked): Promise<number> => {
    const key = BigInt.asUintN(64, BigInt(lockKeyOf(request)));
    const { length } = await here.rows("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid::bigint = $1 AND objid::bigint = $2", [(key >> 32n).toString(), (key & 0xffff_ffffn).toString()]);
    return length;
  };

  /** Holds the request's lock until `every` process waits for it, and `also` what else must have happened. */
  const race = async (asked: Asked, start: 'held' | 'free', seed: number, requests: readonly RaceRequest[], also: () => Promise<void> = () => Promise.resolve()): Promise<readonly RaceAnswer[]> => {
    if (start === 'free') return racers.race(dealt(seed, requests));
    const holder = await here.pool.connect();
    try {
      await holder.query('SELECT pg_advisory_lock($1)', [lockKeyOf(asked.request)]);
      const answers = racers.race(dealt(seed, requests));
      await here.until('all of them wait', async () => (await waitingFor(asked)) >= requests.length, 60_000);
      await also();
      await holder.query('SELECT pg_advisory_unlock($1)', [lockKeyOf(asked.request)]);
      return await answers;
    } finally {
      holder.release(true);
    }
  };

  const ENDS = ['ApprovalGranted', 'ApprovalRejected', 'ApprovalExpired'];
  const endsOf = async (asked: Asked): Promise<readonly string[]> => (await here.names(asked)).filter((name) => ENDS.includes(name));
  const summary = (answers: readonly RaceAnswer[]): string[] => answers.map(({ status, code }) => `${status}${code === '' ? '' : ` ${code}`}`).sort();

  test.each(ROUNDS)('invariant 14: approve, reject and break glass at once have one outcome, and the losers learn whose (seed %i, %s)', async (seed, start) => {
    const asked = await here.ask();
    const requests = await Promise.all([decision(asked, 'approve', 'fiona'), decision(asked, 'reject', 'georg', { reason: 'no' }), decision(asked, 'break-glass', 'erin', { reason: 'outage' })]);
    const answers = await race(asked, start, seed, requests);
    expect(summary(answers)).toEqual(['200', '409 ALREADY_DECIDED', '409 ALREADY_DECIDED']);
    const ends = await endsOf(asked);
    expect(ends).toHaveLength(1);
    const { status, resolution } = (await here.show(asked)).body as { status: string; resolution: { person: string } };
    expect(answers.find((answer) => answer.status === 200)?.became).toBe(status);
    expect(new Set(answers.flatMap(({ detail }) => (detail === '' ? [] : [detail])))).toEqual(new Set([`the request is ${status} by ${resolution.person}`]));
  }, SLOW);

  test.each(ROUNDS)('invariant 14: the last of two votes, cast at three processes at once, grants once (seed %i, %s)', async (seed, start) => {
    const asked = await here.ask({ more: { demand: two } });
    await here.decide(asked, 'approve', 'fiona');
    const requests = await Promise.all(Array.from({ length: PROCESSES }, () => decision(asked, 'approve', 'georg')));
    expect(summary(await race(asked, start, seed, requests))).toEqual(['200', '409 ALREADY_DECIDED', '409 ALREADY_DECIDED']);
    expect((await here.names(asked)).filter((name) => name !== 'VoteRefused')).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalVoted', 'ApprovalGranted']);
  }, SLOW);

  /** A person signed in on the pages: the other way to be the same person. */
  const signedIn = async (person: string): Promise<{ cookie: string; csrf: string }> => {
    const cookieOf = (answer: Response): string => answer.headers.get('set-cookie')?.split(';')[0] ?? '';
    const csrfIn = (page: string): string => /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const login = await fetch(`${here.origin}/login`);
    const body = new URLSearchParams({ csrf: csrfIn(await login.text()), token: here.personToken(person), next: '/queue' }).toString();
    const entered = await fetch(`${here.origin}/login`, { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: cookieOf(login) }, body });
    const cookie = cookieOf(entered);
    return { cookie, csrf: csrfIn(await (await fetch(`${here.origin}/queue`, { headers: { cookie } })).text()) };
  };

  test.each(ROUNDS)('invariant 11: one person over two credentials at two processes counts once, however often (seed %i, %s)', async (seed, start) => {
    const asked = await here.ask({ more: { demand: two } });
    const { cookie, csrf } = await signedIn('fiona');
    const byForm = async (): Promise<RaceRequest> => {
      const { version, view_hash } = (await here.show(asked)).body as { version: number; view_hash: string };
      return { path: `/approvals/${asked.request.approval_id}/approve`, headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ csrf, version: String(version), view_hash }).toString() };
    };
    const answers = await race(asked, start, seed, [await byForm(), await decision(asked, 'approve', 'fiona')]);
    expect(answers.filter(({ status }) => status === 200 || status === 303)).toHaveLength(1);
    // Once more from each, on the request as it is now.
    expect(summary(await race(asked, start, seed + 1, [await byForm(), await decision(asked, 'approve', 'fiona')])).map((each) => each.slice(0, 3))).toEqual(['409', '409']);
    expect((await here.show(asked)).body).toMatchObject({ status: 'open', quorum: { approvals: [{ person: 'fiona' }] } });
    expect((await here.names(asked)).filter((name) => name === 'ApprovalVoted')).toHaveLength(1);
    expect((await here.decide(asked, 'approve', 'georg')).body).toMatchObject({ status: 'granted' });
  }, SLOW);

  /** Two accounts of one person at an identity provider, as an administrator linked them. @returns a token of each */
  const linkedAccounts = async (person: string): Promise<readonly string[]> => {
    const subs = [`${person}-at-work`, `${person}-at-home`];
    for (const sub of subs) await here.policy.publish({ tenant: 'acme', aggregate: 'person', id: person }, { definition: AccountLinked, data: { person, subject: `${provider.issuer}#${sub}` }, actor: { type: 'system', id: 'root' } });
    await here.until('both accounts are known', async () => (await here.rows('SELECT FROM directory_account WHERE person = $1 AND subject = ANY ($2)', [person, subs.map((sub) => `${provider.issuer}#${sub}`)])).length === subs.length);
    return Promise.all(subs.map((sub) => provider.token({ sub })));
  };

  test.each(ROUNDS)('invariant 11: one person through two linked accounts at two processes counts once (seed %i, %s)', async (seed, start) => {
    const asked = await here.ask({ more: { demand: two } });
    const tokens = await linkedAccounts('georg');
    const votes = (): Promise<readonly RaceRequest[]> => Promise.all(tokens.map(async (token) => {
      const { headers, ...rest } = await decision(asked, 'approve', 'georg');
      return { ...rest, headers: { ...headers, authorization: `Bearer ${token}` } };
    }));
    // Whoever comes second reads the request again, and is told that they have voted.
    expect(summary(await race(asked, start, seed, await votes()))).toEqual(['200', '409 ALREADY_VOTED']);
    expect(summary(await race(asked, start, seed + 1, await votes()))).toEqual(['409 ALREADY_VOTED', '409 ALREADY_VOTED']);
    expect((await here.show(asked)).body).toMatchObject({ status: 'open', quorum: { approvals: [{ person: 'georg' }] } });
    expect((await here.names(asked)).filter((name) => name === 'ApprovalVoted')).toHaveLength(1);
    expect((await here.decide(asked, 'approve', 'fiona')).body).toMatchObject({ status: 'granted' });
  }, SLOW);

  test.each(ROUNDS)('invariant 27: an approval at the instant of expiry is in time or too late by the database’s clock alone (seed %i, %s)', async (seed, start) => {
    const expiresInMs = start === 'held' ? 1_500 : 300 + (seed % 7) * 50;
    const asked = await here.ask({ expiresInMs, more: { demand: two }, expectOpen: false });
    await here.until('it stands in the queue', async () => (await here.rows('SELECT FROM approval_request WHERE approval_id = $1', [asked.request.approval_id])).length === 1);
    const requests = await Promise.all(['fiona', 'georg', 'fiona'].map((person) => decision(asked, 'approve', person)));
    // Asked in time, and held up until its time is over: every sweep may wait there too.
    const past = () => here.until('its time is over', async () => (await here.rows('SELECT FROM approval_request WHERE approval_id = $1 AND expires_at < clock_timestamp()', [asked.request.approval_id])).length === 1, 60_000);
    await race(asked, start, seed, requests, past);
    await here.until('it has ended', async () => (await endsOf(asked)).length > 0, 60_000);
    const ends = await endsOf(asked);
    expect(ends).toHaveLength(1);
    const rows = await here.rows<{ bytes: Buffer }>("SELECT bytes FROM event WHERE aggregate = 'approval' AND subject = $1 ORDER BY version", [asked.request.approval_id]);
    const recorded = rows.map(({ bytes }) => JSON.parse(bytes.toString('utf8')) as { type: string; time: string });
    const deadline = Date.parse(asked.request.expires_at);
    for (const { type, time } of recorded) if (type.includes('ApprovalVoted') || type.includes('ApprovalGranted')) expect(Date.parse(time)).toBeLessThan(deadline);
    if (start === 'held') expect([ends, recorded.filter(({ type }) => type.includes('ApprovalVoted'))]).toEqual([['ApprovalExpired'], []]);
  }, SLOW);
});
