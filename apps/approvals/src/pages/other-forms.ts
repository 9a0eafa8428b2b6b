import { Injectable } from '@nestjs/common';
import type { PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { Problem, shaped } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import type { Attempt, Decided } from '../decide-request/decide-requests.js';
import { reviewBody, ReviewEmergency } from '../review-emergency/review-emergency.http.js';
import { assignBody, escalateBody } from '../steer-request/steer-bodies.js';
import { SteerRequest } from '../steer-request/steer-request.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';
import type { BALLOT_FORMS, FormName } from './decision-form.js';

export type OtherForm = Exclude<FormName, (typeof BALLOT_FORMS)[number]>;
type Fields = Readonly<Record<string, string>>;

const LONGEST_DEFERRAL_MINUTES = 10_080;
const given = (name: string, text: string | undefined): Record<string, string> => (text === undefined || text.trim() === '' ? {} : { [name]: text.trim() });
const minutesIn = (fields: Fields): number => (/^\d{1,5}$/.test(fields['minutes'] ?? '') ? Number(fields['minutes']) : Number.NaN);

/** Forms that cast no ballot, as the same commands that the API gives. */
@Injectable()
export class OtherForms {
  constructor(
    private readonly steering: SteerRequest,
    private readonly reviews: ReviewEmergency,
    private readonly votes: VoteOnRequest,
    private readonly streams: ApprovalStreams,
  ) {}

  /** @throws Problem INVALID when hidden or chosen fields were tampered with */
  async work(form: OtherForm, fields: Fields, tx: PgTransaction, attempt: Attempt): Promise<Decided> {
    switch (form) {
      case 'revoke':
        return this.votes.revoke(tx, attempt, fields['reason'] ?? '');
      case 'review':
        return this.reviews.review(tx, attempt, shaped(reviewBody, { judgement: fields['judgement'], ...given('words', fields['words']) }));
      case 'ask':
        return this.steering.requestInformation(tx, attempt, (fields['question'] ?? '').slice(0, 4_000));
      case 'assign':
        return this.steering.assign(tx, attempt, shaped(assignBody, { minutes: minutesIn(fields) }));
      case 'escalate':
        return this.steering.escalate(tx, attempt, shaped(escalateBody, { ...given('to_role', fields['to_role']), ...given('to_person', fields['to_person']), ...given('reason', fields['reason']) }));
      case 'defer': {
        const minutes = minutesIn(fields);
        if (!(minutes > 0 && minutes <= LONGEST_DEFERRAL_MINUTES)) throw new Problem('INVALID');
        const now = await this.streams.databaseNow(tx);
        return this.steering.defer(tx, attempt, { until: toInstant(now + minutes * 60_000), ...given('reason', fields['reason']) });
      }
    }
  }
}
