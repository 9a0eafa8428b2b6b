import { join } from 'node:path';
import { importVerifyingKey, readWitnessRequest, verifyTreeHead } from '@exequatur/audit-chain';
import type { TreeHead, TrustedKeys } from '@exequatur/audit-chain';
import { createIdentity, publicText, readWatchedLogs, serveWitness, Witness, WitnessMemory } from '@exequatur/witness';
import type { RunningWitness, WitnessAnswer, WitnessIdentity } from '@exequatur/witness';
import { freePort } from '../../e2e/free-port.js';

/** A head as it was shown to the witness; `root` in base64. */
export interface SeenHead {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

/** Answers that say "this does not continue what I cosigned", or that the log is not who it says. 409 only says where to go on from. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 404, 422]);

const originOf = (tenant: string): string => `exequatur/${tenant}`;

/** Tells what it was asked, and what it answered. */
class ToldWitness extends Witness {
  constructor(
    identity: WitnessIdentity,
    watched: ReturnType<typeof readWatchedLogs>,
    memory: WitnessMemory,
    private readonly told: (body: string, answer: WitnessAnswer) => void,
  ) {
    super(identity, watched, memory);
  }

  override add(body: string): WitnessAnswer {
    const answer = super.add(body);
    this.told(body, answer);
    return answer;
  }
}

/** apps/witness over HTTP, which writes down everything it is shown. */
export class WatchedWitness {
  /** one log, one size, two roots */
  readonly forks: (readonly [SeenHead, SeenHead])[] = [];
  readonly refused: string[] = [];
  private readonly seen = new Map<string, SeenHead>();
  private readonly notes = new Map<string, string[]>();
  private running: RunningWitness | undefined;

  private constructor(
    private readonly directory: string,
    private readonly identity: WitnessIdentity,
    private readonly port: number,
  ) {}

  /** With an address and a key; it answers once it watches. */
  static async prepare(directory: string): Promise<WatchedWitness> {
    return new WatchedWitness(directory, createIdentity(directory, 'witness.test/faults'), await freePort());
  }

  /** As EXEQUATUR_WITNESSES lists it. */
  get asListed(): string {
    return JSON.stringify([{ url: `http://127.0.0.1:${this.port}`, key: publicText(this.identity) }]);
  }

  async watch(trusted: TrustedKeys): Promise<void> {
    const keys = (trusted['audit'] ?? []).map(({ jwk }) => jwk);
    const memory = new WitnessMemory(join(this.directory, 'heads'));
    const watched = readWatchedLogs(JSON.stringify([{ origin: 'exequatur/*', keys }]));
    const opened = keys.map(importVerifyingKey);
    const shown = (body: string, answer: WitnessAnswer): void => {
      const note = readWitnessRequest(body)?.note ?? '';
      for (const key of opened) {
        const read = verifyTreeHead(note, key);
        if (read.ok) this.see(read.head, note);
      }
      if (REFUSALS.has(answer.status)) this.refused.push(`${answer.status} ${answer.body.trim()}`);
    };
    this.running = await serveWitness(new ToldWitness(this.identity, watched, memory, shown), memory, { port: this.port, host: '127.0.0.1' });
  }

  /** What it was asked to cosign of a tenant's log. */
  headsOf(tenant: string): readonly SeenHead[] {
    return [...this.seen.values()].filter(({ origin }) => origin === originOf(tenant));
  }

  /** The same as notes; grows while it watches. */
  notesOf(tenant: string): readonly string[] {
    return this.noted(originOf(tenant));
  }

  async stop(): Promise<void> {
    await this.running?.stop();
  }

  private noted(origin: string): string[] {
    const known = this.notes.get(origin) ?? [];
    this.notes.set(origin, known);
    return known;
  }

  private see({ origin, size, root }: TreeHead, note: string): void {
    const head: SeenHead = { origin, size, root: Buffer.from(root).toString('base64') };
    const key = `${origin} ${size}`;
    const before = this.seen.get(key);
    if (before === undefined) {
      this.seen.set(key, head);
      this.noted(origin).push(note);
    } else if (before.root !== head.root) this.forks.push([before, head]);
  }
}
