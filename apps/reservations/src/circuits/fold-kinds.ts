import type { CircuitSettings } from '@exequatur/contracts';
import { DEFAULT_CIRCUIT } from '@exequatur/reservations-domain';
import type { KindCounts } from '@exequatur/reservations-domain';

/** What an agent asked for in one tenth of the window. */
export interface KindSlice {
  readonly startMs: number;
  readonly kinds: KindCounts;
}

/** An agent's past, and what it asked for in the window that ends now. */
export interface KindHistory {
  readonly past: KindCounts;
  readonly recent: readonly KindSlice[];
}

const SLICES = 10;
/** Past this the past is halved, so that an agent whose work has changed for good is not warned about for ever. */
const MAX_PAST = 10_000;
/** The rarest are forgotten. */
const MAX_KINDS = 200;

const added = (counts: KindCounts, more: KindCounts): KindCounts => {
  const sum: Record<string, number> = { ...counts };
  for (const [kind, count] of Object.entries(more)) sum[kind] = (sum[kind] ?? 0) + count;
  return sum;
};

const bounded = (counts: KindCounts): KindCounts => {
  let entries = Object.entries(counts);
  if (entries.reduce((sum, [, count]) => sum + count, 0) > MAX_PAST) entries = entries.map(([kind, count]): [string, number] => [kind, Math.floor(count / 2)]).filter(([, count]) => count > 0);
  return Object.fromEntries(entries.length > MAX_KINDS ? entries.sort(([, one], [, other]) => other - one).slice(0, MAX_KINDS) : entries);
};

/** Counts one more; whole slices that have left the window become past. */
export const foldKind = ({ past, recent }: KindHistory, kind: string, settings: CircuitSettings, atMs: number): KindHistory => {
  const windowMs = settings.window_ms ?? DEFAULT_CIRCUIT.window_ms;
  const sliceMs = Math.max(1, Math.ceil(windowMs / SLICES));
  const startMs = atMs - (atMs % sliceMs);
  const inWindow = recent.filter((slice) => slice.startMs > atMs - windowMs - sliceMs);
  const left = recent.filter((slice) => !inWindow.includes(slice));
  const here = inWindow.find((slice) => slice.startMs === startMs)?.kinds ?? {};
  return {
    past: left.length === 0 ? past : bounded(left.reduce((sum, slice) => added(sum, slice.kinds), past)),
    recent: [...inWindow.filter((slice) => slice.startMs !== startMs), { startMs, kinds: added(here, { [kind]: 1 }) }].slice(-(SLICES + 1)),
  };
};

/** All of the recent window together. */
export const recentKinds = ({ recent }: KindHistory): KindCounts => recent.reduce<KindCounts>((sum, { kinds }) => added(sum, kinds), {});
