import { Command } from '@nestjs/cqrs';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';

export class WithdrawAction extends Command<Answer> {
  constructor(
    readonly tenant: string,
    readonly actionId: string,
    readonly reason: string,
    readonly principal: Principal,
    readonly request: HttpRequest,
  ) {
    super();
  }
}
