import { Command } from '@nestjs/cqrs';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';

export class PublishPolicy extends Command<Answer> {
  constructor(
    readonly tenant: string,
    /** YAML text */
    readonly source: string,
    readonly reason: string,
    readonly principal: Principal,
    /** carries Idempotency-Key, bytes and trace */
    readonly request: HttpRequest,
  ) {
    super();
  }
}
