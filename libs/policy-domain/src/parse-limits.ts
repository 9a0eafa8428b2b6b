import { VELOCITY_SUBJECTS } from '@exequatur/contracts';
import type { CircuitSettings, PolicyLimits, RunLimits, VelocityRule } from '@exequatur/contracts';
import { below, closedMapping, entriesOf, fault, isPresent } from './findings.js';
import type { Place } from './findings.js';
import { compact, maybe, readAmounts, readChoice, readDuration, readKindPattern, readMany, readName, readShare, readText, readWhole } from './values.js';

const MAX_VELOCITY_RULES = 50;
const MAX_PATTERNS = 50;
/** 31 days: how long reservations remembers. */
const LONGEST_WINDOW_MS = 2_678_400_000;
const LARGEST_SHARE_PPM = 100_000_000;

/** `limits`: what reservations bounds at every claim, whatever grant it is made under. */
export const readLimits = (place: Place): PolicyLimits | undefined => {
  if (!closedMapping(place, ['run', 'velocity', 'circuit'])) return undefined;
  const velocity = isPresent(below(place, 'velocity')) ? readVelocity(below(place, 'velocity')) : undefined;
  return compact({ run: maybe(place, 'run', readRun), velocity, circuit: maybe(place, 'circuit', readCircuit) });
};

const readRun = (place: Place): RunLimits | undefined => {
  if (!closedMapping(place, ['max_steps', 'max_tool_calls', 'max_seconds', 'max_usd'])) return undefined;
  const whole = (key: string) => maybe(place, key, (inner) => readWhole(inner, Number.MAX_SAFE_INTEGER));
  const usd = below(place, 'max_usd');
  // Read as an amount of dollars: the text in the file, micro-cents in the policy.
  const amounts = isPresent(usd) ? readAmounts({ ...place, value: { USD: usd.value ?? null }, steps: [...place.steps, 'max_usd'] }) : undefined;
  return compact({ max_steps: whole('max_steps'), max_tool_calls: whole('max_tool_calls'), max_seconds: whole('max_seconds'), max_usd: amounts?.['USD_MICROCENTS'] });
};

const readVelocity = (place: Place): readonly VelocityRule[] => {
  const entries = entriesOf(place);
  if (entries.length > MAX_VELOCITY_RULES) fault(place, `must have at most ${MAX_VELOCITY_RULES} rules`);
  const seen = new Set<string>();
  return entries.flatMap((entry) => {
    const rule = readVelocityRule(entry);
    if (rule === undefined) return [];
    if (seen.has(rule.id)) fault(below(entry, 'id'), `there is another velocity rule ${rule.id}`);
    seen.add(rule.id);
    return [rule];
  });
};

const readVelocityRule = (place: Place): VelocityRule | undefined => {
  if (!closedMapping(place, ['id', 'by', 'window', 'max_count', 'max_amount', 'kinds', 'agents'])) return undefined;
  const id = readName(below(place, 'id'));
  const window = readDuration(below(place, 'window'));
  if (window !== undefined && window > LONGEST_WINDOW_MS) fault(below(place, 'window'), 'must be at most 31d');
  const by = maybe(place, 'by', (inner) => readMany(inner, (one) => readChoice(one, VELOCITY_SUBJECTS), VELOCITY_SUBJECTS.length)) as VelocityRule['by'] | undefined;
  const amounts = Object.entries(maybe(place, 'max_amount', readAmounts) ?? {});
  if (amounts.length > 1) fault(below(place, 'max_amount'), 'must be one unit; write a rule for each');
  const [amount] = amounts;
  const maxCount = maybe(place, 'max_count', (inner) => readWhole(inner, Number.MAX_SAFE_INTEGER));
  if (!isPresent(below(place, 'max_count')) && !isPresent(below(place, 'max_amount'))) fault(place, 'needs max_count or max_amount');
  const rule = {
    max_count: maxCount,
    max_amount: amount === undefined ? undefined : { unit: amount[0], amount: amount[1] },
    kinds: maybe(place, 'kinds', (inner) => readMany(inner, readKindPattern, MAX_PATTERNS)),
    agents: maybe(place, 'agents', (inner) => readMany(inner, (one) => readText(one, 200), MAX_PATTERNS)),
  };
  return id === undefined || window === undefined ? undefined : compact({ id, by: by ?? [], window_ms: window, ...rule });
};

const readCircuit = (place: Place): CircuitSettings | undefined => {
  if (!closedMapping(place, ['threshold', 'window', 'minimum_volume', 'drift'])) return undefined;
  return compact({
    threshold_ppm: maybe(place, 'threshold', readShare),
    window_ms: maybe(place, 'window', readDuration),
    minimum_volume: maybe(place, 'minimum_volume', (inner) => readWhole(inner, 1_000_000)),
    drift_ppm: maybe(place, 'drift', readDrift),
  });
};

/** A population stability index, such as 0.25. */
const readDrift = (place: Place): number | undefined => {
  const { value } = place;
  const ppm = typeof value === 'number' ? Math.round(value * 1_000_000) : Number.NaN;
  return ppm >= 0 && ppm <= LARGEST_SHARE_PPM ? ppm : fault(place, 'must be a number from 0 to 100 such as 0.25');
};
