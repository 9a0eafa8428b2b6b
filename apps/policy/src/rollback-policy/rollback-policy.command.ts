import { Command } from '@nestjs/cqrs';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';

export class RollBackPolicy extends Command<Answer> {
  constructor(
    readonly tenant: string,
    readonly toVersion: number,
    readonly reason: string,
    readonly principal: Principal,
    readonly request: HttpRequest,
  ) {
    super();
  }
}
