import { Controller, Get, Inject } from '@nestjs/common';
import { Answer } from '../http/answer.js';
import { Allow } from '../identity/allow.js';
import { Signer } from '../identity/signer.js';
import { Health } from '../observability/health.js';
import { ServiceMetrics } from '../observability/metrics.js';
import { OpenApi } from '../openapi/open-api.js';

/** What every service answers besides its own routes. Nothing here tells of any tenant. */
@Controller()
@Allow('public')
export class PlatformController {
  constructor(
    @Inject(Health) private readonly health: Health,
    @Inject(ServiceMetrics) private readonly metrics: ServiceMetrics,
    @Inject(Signer) private readonly signer: Signer,
    @Inject(OpenApi) private readonly openApi: OpenApi,
  ) {}

  /** The process answers; a restart would not help more than that. */
  @Get('livez')
  livez(): Answer {
    return Answer.json(200, { status: 'ok' });
  }

  /** 503 with the named checks that fail: no authority is given while one does. */
  @Get('readyz')
  async readyz(): Promise<Answer> {
    const readiness = await this.health.readiness();
    return Answer.json(readiness.ready ? 200 : 503, readiness);
  }

  @Get('metrics')
  async prometheus(): Promise<Answer> {
    return new Answer(200, Buffer.from(await this.metrics.registry.metrics(), 'utf8'), { 'content-type': this.metrics.registry.contentType });
  }

  @Get('.well-known/jwks.json')
  jwks(): Answer {
    return Answer.json(200, this.signer.jwks());
  }

  @Get('openapi.json')
  document(): Answer {
    return Answer.json(200, this.openApi.document());
  }
}
