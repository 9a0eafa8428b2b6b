import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { AskWitnesses } from './ask-witnesses.js';

/** Asks again and again; an instance without witnesses does nothing. Several instances may: a witness answers the same twice. */
@Injectable()
export class WitnessTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(private readonly asking: AskWitnesses) {}

  onApplicationBootstrap(): void {
    if (this.asking.witnesses.length > 0) this.arm();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private arm(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.asking.askDue().finally(() => this.arm());
    }, this.asking.askEveryMs);
    this.timer.unref();
  }
}
