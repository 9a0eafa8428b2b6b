import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { AccountLinked, AccountUnlinked, AgentKeyIssued, AgentKeyRevoked, AgentRegistered, EligibilityChanged, PersonLinked, TenantCreated, ToolRegistered } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, type Delivery } from '@exequatur/messaging';
import { Directory } from './directory.js';
import { projectDirectory } from './project-directory.js';

/** Keeps the directory tables of every service but policy, which projects in the transaction of the event. */
@Controller()
export class DirectoryController {
  constructor(
    @Inject(Inbox) private readonly inbox: Inbox<PgTransaction>,
    @Inject(Directory) private readonly directory: Directory,
  ) {}

  @EventPattern([TenantCreated.type, AgentRegistered.type, AgentKeyIssued.type, AgentKeyRevoked.type, PersonLinked.type, AccountLinked.type, AccountUnlinked.type, EligibilityChanged.type, ToolRegistered.type])
  async keepDirectory(@Payload() delivery: Delivery): Promise<void> {
    // An effect of its own name: an app may have another handler of the same event.
    await this.inbox.once(delivery, { streams: [] }, (tx) => projectDirectory(tx, delivery.event), 'directory');
    this.directory.forget();
  }
}
