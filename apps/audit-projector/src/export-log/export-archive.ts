import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { EVENTS, PolicyPublished, PolicyRolledBack } from '@exequatur/contracts';
import type { DataOf, EventEnvelope } from '@exequatur/contracts';
import { Database, Signer } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { LogReader } from '../log-proofs/log-reader.js';
import { OpenContent } from '../receipt/receipt-content.js';
import { receiptDocument } from '../receipt/receipt-document.js';
import { readBytes } from '../receipt/receipt-rows.js';
import { readTimeline } from '../timeline-view/timeline-rows.js';
import { archiveReadme } from './archive-readme.js';
import { ExportLog } from './export-log.js';
import type { BegunExport, ExportWhat } from './export-log.js';
import type { EventFilter } from './shown-event.js';
import { tarEnd, tarHeader, tarPadding } from './tar.js';

type Proposed = { readonly action_id: string; readonly time: string; readonly data: string };

/**
 * Everything an auditor needs in one tar file, made again the same for the same export (but for actions erased in between), in
 * bounded memory: pages of leaves by their sequence, one receipt at a time.
 */
@Injectable()
export class ExportArchive {
  constructor(
    private readonly log: ExportLog,
    private readonly database: Database,
    private readonly reader: LogReader,
    private readonly signer: Signer,
    private readonly content: OpenContent,
  ) {}

  /** From a byte on: a download that broke off goes on where it did. */
  async *bytes(tenant: string, begun: BegunExport, what: ExportWhat, fromByte: number): AsyncGenerator<Buffer, void> {
    let skip = fromByte;
    for await (const chunk of this.whole(tenant, begun, what)) {
      if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  }

  private async *whole(tenant: string, begun: BegunExport, { filter, content = false }: ExportWhat): AsyncGenerator<Buffer, void> {
    const at = Date.parse(begun.createdAt);
    const file = (name: string, text: string): Buffer => {
      const bytes = Buffer.from(text, 'utf8');
      return Buffer.concat([tarHeader(name, bytes.length, at), bytes, tarPadding(bytes.length)]);
    };
    yield file('README.md', archiveReadme(tenant, begun.logSize, begun.createdAt, content));
    yield file('keys-as-stated.json', `${JSON.stringify(this.signer.trustedKeys, null, 2)}\n`);
    for (const { type, data } of EVENTS) yield file(`schemas/${type}.json`, `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', title: type, ...data.json }, null, 2)}\n`);
    for await (const { policy_version: version, policy_hash: hash, source, canonical } of this.policies(tenant, begun.logSize)) {
      const name = `policies/${String(version).padStart(6, '0')}-${hash.slice('sha256:'.length, 'sha256:'.length + 12)}`;
      yield file(`${name}.yaml`, source);
      yield file(`${name}.json`, canonical);
    }
    yield* this.exportFile(tenant, begun, at);
    for await (const actionId of this.actions(tenant, begun.logSize, filter)) {
      const receipt = await this.receipt(tenant, begun, actionId, content);
      if (receipt !== undefined) yield file(`receipts/${actionId}.json`, receipt);
    }
    yield tarEnd();
  }

  /** Its size stands before it: the lines are made twice, and must be the same both times. */
  private async *exportFile(tenant: string, begun: BegunExport, at: number): AsyncGenerator<Buffer, void> {
    const [size, digest] = [{ bytes: 0 }, createHash('sha256')];
    for await (const lines of this.log.lines(tenant, begun)) {
      size.bytes += Buffer.byteLength(lines);
      digest.update(lines);
    }
    yield tarHeader('export.jsonl', size.bytes, at);
    const again = createHash('sha256');
    for await (const lines of this.log.lines(tenant, begun)) {
      again.update(lines);
      yield Buffer.from(lines, 'utf8');
    }
    if (!again.digest().equals(digest.digest())) throw new Error('the log changed while it was taken: retention ended; take it again');
    yield tarPadding(size.bytes);
  }

  private async *policies(tenant: string, size: number): AsyncGenerator<DataOf<typeof PolicyPublished>, void> {
    for (let after = -1; ; ) {
      const text = `SELECT sequence::text, bytes FROM leaf WHERE tenant = $1 AND sequence > $2 AND sequence < $3 AND type = ANY ($4::text[]) AND origin = 'ok' ORDER BY leaf.sequence LIMIT 1`;
      const { rows } = await this.database.query<{ sequence: string; bytes: Buffer }>(text, [tenant, after, size, [PolicyPublished.type, PolicyRolledBack.type]]);
      if (rows[0] === undefined) return;
      yield (JSON.parse(rows[0].bytes.toString('utf8')) as EventEnvelope<DataOf<typeof PolicyPublished>>).data;
      after = Number(rows[0].sequence);
    }
  }

  private async *actions(tenant: string, size: number, filter: EventFilter): AsyncGenerator<string, void> {
    const text = `
      SELECT action_id, time, data FROM timeline JOIN log ON log.tenant = timeline.tenant AND log.generation = timeline.generation
      WHERE timeline.tenant = $1 AND action_id > $2 AND name = 'ActionProposed' AND sequence < $3 ORDER BY action_id LIMIT $4`;
    for (let after = ''; ; ) {
      const { rows } = await this.database.query<Proposed>(text, [tenant, after, size, AUDIT_LIMITS.chunkLeaves]);
      const last = rows.at(-1);
      if (last === undefined) return;
      for (const row of rows) if (wanted(row, filter)) yield row.action_id;
      after = last.action_id;
    }
  }

  /** Under the tree head of this very export. */
  private async receipt(tenant: string, begun: BegunExport, actionId: string, withContent: boolean): Promise<string | undefined> {
    const rows = (await readTimeline(this.database, tenant, actionId)).filter(({ sequence }) => sequence < begun.logSize);
    const [sequences, stored, note] = [rows.map(({ sequence }) => sequence), await this.reader.headAt(tenant, begun.logSize), await this.log.noteAt(tenant, begun.logSize, begun.cosignedIn)];
    if (rows.length === 0 || stored === undefined || note === undefined) return undefined;
    const bytes = await readBytes(this.database, tenant, sequences);
    const document = receiptDocument({
      tenant,
      actionId,
      rows,
      bytes,
      proofs: await this.reader.inclusions(tenant, sequences, begun.logSize),
      head: { ...stored, note },
      keys: this.signer.trustedKeys,
      logKid: this.signer.signingKey.kid,
      content: withContent ? await this.content.of(tenant, actionId, rows, bytes) : undefined,
    });
    return `${JSON.stringify(document)}\n`;
  }
}

const wanted = ({ action_id: actionId, time, data }: Proposed, { from, to, action_id: only, action_kind: kind }: EventFilter): boolean =>
  (only === undefined || only === actionId) &&
  (from === undefined || Date.parse(time) >= Date.parse(from)) &&
  (to === undefined || Date.parse(time) < Date.parse(to)) &&
  (kind === undefined || (JSON.parse(data) as { readonly facts: { readonly action_kind: string } }).facts.action_kind === kind);
