import { Controller, Get } from '@nestjs/common';
import { cardSections } from '@exequatur/approvals-domain';
import { count, hash, instant, list, object, oneOf, text, truth, uuid } from '@exequatur/contracts';
import { Allow, Answer, Caller, Describe, entityTag, problem, ShapedPath } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { REQUEST_STATUSES } from '../queue-view/queue-row.js';
import { ShowRequest } from '../show-request/show-request.js';

const cardAnswer = object({
  approval_id: uuid(),
  status: oneOf(...REQUEST_STATUSES),
  version: count(),
  view_hash: hash(),
  title: text(),
  expires_at: instant(),
  has_reversal: truth(),
  sections: list(object({ title: text(), rows: list(object({ label: text(), text: text(20_000) }), 1_000) }), 20),
});

/** The card as lines, for channels without a layout of ours: the same words as on the page. */
@Controller('v1/approvals')
@Allow('person')
export class ShowCardHttp {
  constructor(private readonly requests: ShowRequest) {}

  @Get(':id/card')
  @Describe({ summary: 'The card of a request as titled lines of text, with nothing hidden in them; no sections once the action was erased. ETag and view_hash as of the request.', answers: { 200: cardAnswer }, codes: ['NOT_FOUND'] })
  async show(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const { shown, request } = await this.requests.show(caller.type === 'person' ? caller : problem('FORBIDDEN'), id);
    const { approval_id, status, version, view_hash, expires_at, card, narrowed } = shown;
    const votes = narrowed.length === 0 ? [] : [{ title: 'Narrower by votes so far', rows: narrowed.map(({ pointer, proposed, accepted }) => ({ label: pointer, text: `${proposed} → ${accepted}` })) }];
    const body = { approval_id, status, version, view_hash, title: card?.title ?? '(erased)', expires_at, has_reversal: request.facts.has_reversal, sections: card === null ? [] : [...cardSections(card), ...votes] };
    return Answer.json(200, body, { etag: entityTag(version) });
  }
}
