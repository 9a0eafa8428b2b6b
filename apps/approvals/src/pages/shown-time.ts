import { shownDuration } from '@exequatur/approvals-domain';
import { fromInstant } from '@exequatur/kernel';
import { html, type Markup } from './html.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');

/** `1 Mar 2026, 14:00 UTC` */
export const shownInstant = (instant: string): Markup => {
  const date = new Date(fromInstant(instant));
  return html`<time datetime="${instant}">${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${two(date.getUTCHours())}:${two(date.getUTCMinutes())} UTC</time>`;
};

/** `in 3 hours 20 minutes`, `over`. For people; what counts is the database's clock. */
export const shownDistance = (instant: string, now: number): string => {
  const ms = fromInstant(instant) - now;
  return ms <= 0 ? 'over' : `in ${shownDuration(Math.max(1_000, Math.floor(ms / 1_000) * 1_000))}`;
};
