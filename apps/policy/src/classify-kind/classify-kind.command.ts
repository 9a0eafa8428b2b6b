import { Command } from '@nestjs/cqrs';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';

export class ClassifyKind extends Command<Answer> {
  constructor(
    readonly tenant: string,
    readonly actionKind: string,
    readonly actionClass: string,
    readonly principal: Principal,
    readonly request: HttpRequest,
  ) {
    super();
  }
}
