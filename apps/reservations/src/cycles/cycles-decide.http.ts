import { Controller, HttpCode, Post } from '@nestjs/common';
import { Allow, Caller, Describe, Http, ShapedBody } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { affectedScopes, budgetHoldOf } from './budget-hold-of.js';
import { agentOf, cyclesAsking } from './cycles-asking.js';
import { CyclesBatches } from './cycles-batches.js';
import { CYCLES_ERRORS, decisionResponse } from './cycles-responses.js';
import { decideShape } from './cycles-shapes.js';
import type { DecideBody } from './cycles-shapes.js';
import { decisionAnswer } from './hold-answer.js';

/** The preflight of the Cycles protocol: what a reserve would be answered now. Kept under its key like any other answer. */
@Controller('cycles/v1/decide')
@Allow('agent')
export class CyclesDecideHttp {
  constructor(private readonly batches: CyclesBatches) {}

  @Post()
  @HttpCode(200)
  @Describe({ summary: 'Cycles: ask what a reservation would be answered, and hold nothing.', body: decideShape, keyless: true, answers: { 200: decisionResponse }, errors: CYCLES_ERRORS })
  decide(@ShapedBody(decideShape) { subject, action, estimate, idempotency_key }: DecideBody, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const agent = agentOf(principal);
    const { scope, asked } = cyclesAsking(request, agent, 'decide', idempotency_key);
    const holding = budgetHoldOf({ subject, action, amount: estimate, key: idempotency_key }, agent, scope.inputHash);
    const scopes = affectedScopes(holding.hold.scopePath);
    return this.batches.submit({ scope, command: { ...asked, ...holding, dryRun: true }, answer: (outcome) => decisionAnswer(outcome, scopes) });
  }
}
