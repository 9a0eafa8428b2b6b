import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { RepeatedWork } from '@exequatur/service-kit';
import { AskWitnesses } from './ask-witnesses.js';

/** Asks again and again; an instance without witnesses does nothing. Several instances may: a witness answers the same twice. */
@Injectable()
export class WitnessTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly rounds: RepeatedWork;

  constructor(private readonly asking: AskWitnesses) {
    this.rounds = new RepeatedWork(asking.askEveryMs, () => asking.askDue(), () => undefined);
  }

  onApplicationBootstrap(): void {
    if (this.asking.witnesses.length > 0) this.rounds.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }
}
