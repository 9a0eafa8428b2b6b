import { Controller, Get } from '@nestjs/common';
import { count, hash, instant, list, name, object, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, Describe, problem, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { leafDocument, leafShape } from '../export-log/leaf-document.js';
import type { LeafDocument, LeafRow } from '../export-log/leaf-document.js';
import { AUDIT_LIMITS } from '../limits.js';
import { whoseLog } from '../whose-log.js';
import { LogReader } from './log-reader.js';
import type { InclusionDocument, PublishedHead } from './log-reader.js';

const tenantQuery = object({ tenant: optional(name()) });
const entriesQuery = object({ tenant: optional(name()), start: optional(count()), limit: optional(count(AUDIT_LIMITS.pageLeaves)) });
const inclusionQuery = object({ tenant: optional(name()), event_id: optional(uuid()), sequence: optional(count()), size: optional(count()) });
const consistencyQuery = object({ tenant: optional(name()), from: count(), to: count() });

const head = object({ log: text(200), size: count(), root: hash(), note: text(10_000), published_at: instant() });
const entries = object({ items: list(leafShape, AUDIT_LIMITS.pageLeaves), next_start: optional(count()) });
const inclusion = object({ index: count(), size: count(), leaf_hash: hash(), path: list(hash()), tree_head: optional(head) });
const consistency = object({ from: count(), to: count(), path: list(hash()) });

/** The tenant's Merkle log (RFC 9162 hashing, C2SP tree heads). Sequences are leaf indexes, from 0. */
@Controller('v1/log')
export class LogHttp {
  constructor(
    private readonly log: LogReader,
    private readonly database: Database,
  ) {}

  @Get('tree-head')
  @Allow('person', 'agent', 'root')
  @Describe({ summary: 'The newest signed size and root of the log.', query: tenantQuery, answers: { 200: head } })
  async treeHead(@Caller() caller: Principal, @ShapedQuery(tenantQuery) { tenant }: Shape<typeof tenantQuery>): Promise<PublishedHead> {
    return (await this.log.newestHead(whoseLog(caller, tenant))) ?? problem('NOT_FOUND', 'this log has no tree head yet');
  }

  @Get('entries')
  @Allow('person:auditor', 'root')
  @Describe({ summary: 'Leaves from a sequence on, as they are.', query: entriesQuery, answers: { 200: entries } })
  async entries(@Caller() caller: Principal, @ShapedQuery(entriesQuery) { tenant, start = 0, limit = AUDIT_LIMITS.pageLeaves }: Shape<typeof entriesQuery>): Promise<{ items: LeafDocument[]; next_start?: number }> {
    const wanted = Math.max(1, limit);
    const { rows } = await this.database.query<LeafRow>('SELECT sequence::text, bytes, path, signature, key_id, ordinal::text, topic, pruned, leaf_hash FROM leaf WHERE tenant = $1 AND sequence >= $2 ORDER BY leaf.sequence LIMIT $3', [whoseLog(caller, tenant), start, wanted]);
    const items = rows.map(leafDocument);
    const last = items.at(-1);
    return { items, ...(last === undefined || items.length < wanted ? {} : { next_start: last.sequence + 1 }) };
  }

  @Get('proof/inclusion')
  @Allow('person', 'agent', 'root')
  @Describe({ summary: 'Proves that an event, by id or sequence, is in the log of a size (the newest tree head’s when not said).', query: inclusionQuery, answers: { 200: inclusion } })
  async inclusion(@Caller() caller: Principal, @ShapedQuery(inclusionQuery) query: Shape<typeof inclusionQuery>): Promise<InclusionDocument & { tree_head?: PublishedHead }> {
    const tenant = whoseLog(caller, query.tenant);
    const sequence = query.event_id === undefined ? query.sequence : await this.log.sequenceOf(tenant, query.event_id);
    if (sequence === undefined) return query.event_id === undefined ? problem('INVALID', undefined, [{ pointer: '/event_id', expected: 'event_id or sequence' }]) : problem('NOT_FOUND');
    const newest = await this.log.newestHead(tenant);
    const size = query.size ?? newest?.size ?? 0;
    if (newest === undefined || size > newest.size || sequence >= size) return problem('NOT_FOUND', 'not under that tree head, or not yet');
    const treeHead = size === newest.size ? newest : await this.log.headAt(tenant, size);
    const proof = (await this.log.inclusions(tenant, [sequence], size)).get(sequence) ?? problem('NOT_FOUND');
    return { ...proof, ...(treeHead === undefined ? {} : { tree_head: treeHead }) };
  }

  @Get('proof/consistency')
  @Allow('person', 'agent', 'root')
  @Describe({ summary: 'Proves that the log of one size is a prefix of the log of another.', query: consistencyQuery, answers: { 200: consistency } })
  consistency(@Caller() caller: Principal, @ShapedQuery(consistencyQuery) { tenant, from, to }: Shape<typeof consistencyQuery>): Promise<{ from: number; to: number; path: readonly string[] }> {
    return this.log.consistency(whoseLog(caller, tenant), from, to);
  }
}
