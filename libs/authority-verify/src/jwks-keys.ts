import type { KeyObject } from 'node:crypto';
import { systemClock } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { AUTHORITY_KID_PREFIX, KeysUnavailable, keysOf } from './key-source.js';
import type { KeySource } from './key-source.js';

export interface JwksOptions {
  /** `https://…/.well-known/jwks.json` of reservations, or of the origin that all services share. */
  readonly url: string;
  /** A set older than this is fetched again. A key taken out of the set stops counting within this time. Default 5 min. */
  readonly maxAgeMs?: number;
  /** Between two fetches, whoever asks: a stream of made-up kids costs one fetch in this time. Default 10 s. */
  readonly minIntervalMs?: number;
  /** While the set cannot be fetched, the last one counts until it is this old. Default 1 h. */
  readonly maxStaleMs?: number;
  /** Of one fetch. Default 3 s. */
  readonly timeoutMs?: number;
  /** Only keys whose kid begins so. Default `reservations-`. */
  readonly kidPrefix?: string;
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
}

const MAX_SET_BYTES = 65_536;
const RETRY_AFTER_FAILURE_MS = 1_000;

interface Fetched {
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** monotonic ms */
  readonly atMs: number;
}

/** The published keys of the authority, cached. One fetch at a time; those who ask meanwhile wait for it. */
export class JwksKeys implements KeySource {
  private readonly options: Required<JwksOptions>;
  private fetched: Fetched | undefined;
  private lastTryMs = -Infinity;
  private fetching: Promise<void> | undefined;
  private failing = false;

  constructor(options: JwksOptions) {
    this.options = { maxAgeMs: 300_000, minIntervalMs: 10_000, maxStaleMs: 3_600_000, timeoutMs: 3_000, kidPrefix: AUTHORITY_KID_PREFIX, fetch: globalThis.fetch, clock: systemClock, ...options };
  }

  async keyOf(kid: string): Promise<KeyObject | undefined> {
    const { maxAgeMs, maxStaleMs } = this.options;
    if (this.age() >= maxAgeMs || this.fetched?.keys.has(kid) !== true) await this.refresh();
    // Known keys outlive an outage for a while; that a kid is unknown is only said on a fresh set.
    const key = this.age() < maxStaleMs ? this.fetched?.keys.get(kid) : undefined;
    if (key === undefined && (this.failing || this.age() >= maxAgeMs)) throw new KeysUnavailable('the keys of the authority cannot be fetched');
    return key;
  }

  private age(): number {
    return this.fetched === undefined ? Infinity : this.options.clock.monotonic() - this.fetched.atMs;
  }

  private async refresh(): Promise<void> {
    if (this.fetching === undefined) {
      const now = this.options.clock.monotonic();
      if (now - this.lastTryMs < (this.failing ? Math.min(this.options.minIntervalMs, RETRY_AFTER_FAILURE_MS) : this.options.minIntervalMs)) return;
      this.lastTryMs = now;
      this.fetching = this.fetchSet().then(
        (keys) => {
          this.fetched = { keys, atMs: now };
          this.failing = false;
        },
        // What is known stays; keyOf judges whether it is still good.
        () => {
          this.failing = true;
        },
      );
      void this.fetching.then(() => {
        this.fetching = undefined;
      });
    }
    await this.fetching;
  }

  private async fetchSet(): Promise<ReadonlyMap<string, KeyObject>> {
    const { url, timeoutMs, kidPrefix, fetch } = this.options;
    const answer = await fetch(url, { headers: { accept: 'application/json' }, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    if (answer.status !== 200) throw new KeysUnavailable(`the key set was answered with ${answer.status}`);
    return keysOf(JSON.parse(await boundedText(answer)), kidPrefix);
  }
}

const boundedText = async (answer: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.byteLength;
    if (size > MAX_SET_BYTES) throw new KeysUnavailable('the key set is too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
};
