import { below, closedMapping, entriesOf, fault, isMapping, isPresent } from './findings.js';
import type { Place } from './findings.js';
import type { PolicyTool } from './policy.js';
import { compact, MAX_UNITS, maybe, readMany, readName, readPointerText, readWhole } from './values.js';

const AMOUNT_PREFIX = 'amount.';
const UNIT = /^[A-Z][A-Z0-9_]{0,31}$/;

/** One entry of the tool table; `extract` holds `recipients` and `amount.<currency or unit>`. */
export const readTool = (place: Place): PolicyTool | undefined => {
  if (!closedMapping(place, ['kind', 'versions', 'risk_points', 'target', 'extract', 'bounded'])) return undefined;
  const kind = readName(below(place, 'kind'));
  const versions = maybe(place, 'versions', (inner) => readMany(inner, readName));
  const riskPoints = maybe(place, 'risk_points', (inner) => readWhole(inner, 1_000_000)) ?? 0;
  const target = maybe(place, 'target', readPointerText);
  const extract = readExtract(below(place, 'extract'));
  const bounded = readBounded(below(place, 'bounded'), [...Object.values(extract.amounts), ...(extract.recipients === undefined ? [] : [extract.recipients])]);
  return kind === undefined ? undefined : compact({ kind, versions, risk_points: riskPoints, target, recipients: extract.recipients, amounts: extract.amounts, bounded });
};

const readExtract = (place: Place): { recipients: string | undefined; amounts: Record<string, string> } => {
  const amounts: Record<string, string> = {};
  if (!isPresent(place) || !isMapping(place)) return { recipients: undefined, amounts };
  if (Object.keys(place.value).length > MAX_UNITS) fault(place, `must have at most ${MAX_UNITS} entries`);
  for (const key of Object.keys(place.value)) {
    const inner = below(place, key);
    if (key === 'recipients') continue;
    const unit = key.startsWith(AMOUNT_PREFIX) ? key.slice(AMOUNT_PREFIX.length) : '';
    if (!UNIT.test(unit)) fault(inner, `unknown key "${key}"; known are recipients and amount.<currency or unit>, such as amount.USD`);
    else if (unit === 'RISK_POINTS') fault(inner, 'risk points come from risk_points, not from arguments');
    else {
      const pointer = readPointerText(inner);
      if (pointer !== undefined) amounts[unit] = pointer;
    }
  }
  return { recipients: maybe(place, 'recipients', readPointerText), amounts };
};

const readBounded = (place: Place, extracted: readonly string[]): readonly string[] =>
  entriesOf(place).flatMap((entry) => {
    const pointer = readPointerText(entry);
    if (pointer === undefined) return [];
    if (!extracted.includes(pointer)) fault(entry, 'only a pointer that extract names can be narrowed');
    return [pointer];
  });
