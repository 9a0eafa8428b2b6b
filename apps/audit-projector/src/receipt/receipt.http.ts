import { Controller, Get } from '@nestjs/common';
import { name, object, optional, receiptShape, truth, uuid } from '@exequatur/contracts';
import type { ReceiptDocument, Shape } from '@exequatur/contracts';
import { Allow, Answer, Caller, Database, Describe, Http, problem, ShapedPath, ShapedQuery, Signer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { LogReader } from '../log-proofs/log-reader.js';
import { assertMaySee } from '../timeline-view/timeline.http.js';
import { readTimeline } from '../timeline-view/timeline-rows.js';
import { whoseLog } from '../whose-log.js';
import { OpenContent } from './receipt-content.js';
import { receiptDocument } from './receipt-document.js';
import { RECEIPT_PAGE_POLICY, receiptPage } from './receipt-page.js';
import { readBytes } from './receipt-rows.js';

const receiptQuery = object({ tenant: optional(name()), content: optional(truth()) });

/** A browser says text/html first; everything else, `*` included, gets the document. */
const wantsPage = (request: HttpRequest): boolean => /^\s*text\/html\b/i.test(request.headers.accept ?? '');

/** Sealed content is read by those whose work is to judge it. */
const assertMayRead = (caller: Principal): void => {
  if (caller.type === 'root' || (caller.type === 'person' && caller.roles.includes('auditor'))) return;
  problem('FORBIDDEN');
};

@Controller('v1/receipts')
export class ReceiptHttp {
  constructor(
    private readonly database: Database,
    private readonly log: LogReader,
    private readonly signer: Signer,
    private readonly content: OpenContent,
  ) {}

  @Get(':action_id')
  @Allow('person:auditor', 'person:operator', 'agent', 'root')
  @Describe({
    summary: 'One action’s whole chain, however it ended, each event with its bytes, hash and proof under a signed tree head; as a page to print when text/html is asked for. content=true adds what was sealed, for auditors.',
    query: receiptQuery,
    answers: { 200: receiptShape },
  })
  async receipt(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('action_id', uuid()) actionId: string, @ShapedQuery(receiptQuery) query: Shape<typeof receiptQuery>): Promise<Answer> {
    const tenant = whoseLog(caller, query.tenant);
    if (query.content === true) assertMayRead(caller);
    const document = await this.documentOf(tenant, actionId, caller, query.content === true);
    // One address, two forms.
    const headers = { vary: 'accept', 'cache-control': 'no-store' };
    if (!wantsPage(request)) return Answer.json(200, document, headers);
    return Answer.html(200, receiptPage(document), { ...headers, 'content-security-policy': RECEIPT_PAGE_POLICY });
  }

  private async documentOf(tenant: string, actionId: string, caller: Principal, withContent: boolean): Promise<ReceiptDocument> {
    const rows = await readTimeline(this.database, tenant, actionId);
    assertMaySee(caller, rows);
    const sequences = rows.map(({ sequence }) => sequence);
    const head = await this.log.headCovering(tenant, Math.max(...sequences) + 1);
    const bytes = await readBytes(this.database, tenant, sequences);
    return receiptDocument({
      tenant,
      actionId,
      rows,
      bytes,
      proofs: await this.log.inclusions(tenant, sequences, head?.size ?? 0),
      head,
      keys: this.signer.trustedKeys,
      logKid: this.signer.signingKey.kid,
      content: withContent ? await this.content.of(tenant, actionId, rows, bytes) : undefined,
    });
  }
}
