import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { JudgeCircuits } from '../circuits/judge-circuits.js';
import { ForgetUnneeded } from './forget-unneeded.js';
import { QuiesceFreezes } from './quiesce-freezes.js';
import { SweepClaims } from './sweep-claims.js';

const EVERY_MS = 500;

/** Runs the sweeps one after the other; several instances may, since each decision is made again under its locks. */
@Injectable()
export class SweepTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly sweeps: RepeatedWork;

  constructor(claims: SweepClaims, freezes: QuiesceFreezes, unneeded: ForgetUnneeded, circuits: JudgeCircuits, @Inject(LOGGER) log: Logger) {
    const sweep = async (): Promise<void> => {
      await claims.sweep();
      await freezes.sweep();
      await circuits.sweep();
      await unneeded.sweep();
    };
    // Nothing is lost: what was due stays due, and holds err on the side of standing too long.
    this.sweeps = new RepeatedWork(EVERY_MS, sweep, (fault) => fault === undefined || log.warn({ err: fault }, 'a sweep failed and is tried again'));
  }

  onApplicationBootstrap(): void {
    this.sweeps.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.sweeps.stop();
  }
}
