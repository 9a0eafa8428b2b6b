import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { INTAKE_TOPIC, name, object, oneOf, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { Clock } from '@exequatur/kernel';
import type { Transport } from '@exequatur/messaging';
import { Allow, CLOCK, Consumes, Describe, Directory, Http, problem, RawBody, TRANSPORT } from '@exequatur/service-kit';
import type { HttpRequest } from '@exequatur/service-kit';
import { verifyIntakeMessage } from './intake-message.js';

const accepted = object({ status: oneOf('published'), tenant: name(), agent: name(), jti: text(255) });
/** The request body is the JWS itself. */
const jwsBody = { json: { type: 'string', description: 'compact JWS, see the reference of the intake topic' } } as const;

/**
 * The intake topic for installations whose agents cannot reach Kafka. The signature is the credential: it is verified here, so
 * that nobody else can fill a topic that is kept, and again where the topic is read.
 */
@Controller('v1/intake')
export class IntakeHttp {
  constructor(
    private readonly directory: Directory,
    @Inject(TRANSPORT) private readonly transport: Transport,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(202)
  @Allow('public')
  @Consumes('application/jose')
  @Describe({ summary: 'Publish a signed proposal on the intake topic; the decision is found by its jti under /v1/actions.', body: jwsBody, keyless: true, answers: { 202: accepted }, codes: ['MALFORMED', 'INVALID', 'TOO_LARGE', 'UNAUTHENTICATED'] })
  async publish(@RawBody() body: Buffer, @Http() request: HttpRequest): Promise<Shape<typeof accepted>> {
    if (request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() !== 'application/jose') problem('UNSUPPORTED_MEDIA_TYPE', 'send the JWS as application/jose');
    const { agent, jti } = await verifyIntakeMessage(body, this.directory, this.clock.now());
    await this.transport.publisher.publish(INTAKE_TOPIC.name, [{ key: `${agent.tenant}/${agent.id}`, value: Buffer.from(body), headers: { 'content-type': 'application/jose' } }]);
    return { status: 'published', tenant: agent.tenant, agent: agent.id, jti };
  }
}
