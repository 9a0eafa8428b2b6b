import { Controller, Inject } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Payload } from '@nestjs/microservices';
import { EditProposed } from '@exequatur/contracts';
import type { DataOf, SealedOf } from '@exequatur/contracts';
import { parseStrict } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Directory, KEY_STORE } from '@exequatur/service-kit';
import { ProposeAction } from '../propose-action/propose-action.command.js';
import { RecordedActions } from '../try-policy/recorded-actions.js';

/** Canonical text of what was accepted as 256 KiB: at most 262,144 characters of up to 3 bytes. */
const MAX_ARGUMENT_BYTES = 3 * 262_144;

/**
 * What a person made of the arguments, beyond what was asked for, is decided as an action of the same agent that follows the
 * first one. The event's id is its idempotency key, so a second delivery finds the same action. Who edited it is a requester of it.
 */
@Controller()
export class ProposeWhatAPersonEdited {
  constructor(
    private readonly commands: CommandBus,
    private readonly recorded: RecordedActions,
    private readonly directory: Directory,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Nothing follows when the action was erased, or its agent is no longer known. */
  @OnEvent(EditProposed)
  async edited(@Payload() { event }: Delivery<DataOf<typeof EditProposed>>): Promise<void> {
    const { tenant, data } = event;
    const [before] = await this.recorded.of(tenant, [data.action_id]);
    const key = (await this.keys.actionKeys(tenant, [data.action_id])).get(data.action_id);
    if (before?.proposal === undefined || key === undefined || event.sealed === undefined) return;
    const agent = await this.directory.agent(tenant, before.agent);
    if (agent === undefined) return;
    const { arguments: text } = open(key, event.sealed, event.id) as SealedOf<typeof EditProposed>;
    const proposal = { ...before.proposal, arguments: parseStrict(text, { maxBytes: MAX_ARGUMENT_BYTES }) as JsonValue };
    const anew = { follows: data.action_id, actor: { type: 'person', id: data.person } as const, editedBy: data.person };
    await this.commands.execute(new ProposeAction({ type: 'agent', ...agent, keyId: 'edited', ...(before.chain === undefined ? {} : { chain: before.chain }) }, proposal, event.id, 'http', event.traceparent, anew));
  }
}
