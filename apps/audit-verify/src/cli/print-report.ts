import type { Report, Violation } from '../report.js';

const SHOWN = 50;

const HEADLINES: Readonly<Record<Report['result'], string>> = {
  valid: 'VALID      every byte, proof and checked invariant holds',
  invalid: 'INVALID    this log is not what happened, or what happened must not be',
  incomplete: 'INCOMPLETE nothing wrong was found, but not everything could be judged',
};

const violationLine = ({ invariant, sequence, event_id: id, tenant, message, open }: Violation): string =>
  [`  ${sequence === undefined ? 'log' : `leaf ${sequence}`}`.padEnd(14), `${invariant === 'format' ? 'format' : `invariant ${invariant}`}`.padEnd(14), `${message}${open === true ? ' (may still come)' : ''}`, id === undefined ? '' : ` [${tenant} ${id}]`].join('');

/** What a person reads in a terminal. */
export const printedReport = (report: Report): string => {
  const { counts, action, witnessed } = report;
  const shown = report.violations.slice(0, SHOWN);
  const lines = [
    HEADLINES[report.result],
    '',
    `  tenant       ${report.tenant ?? 'unknown'}`,
    ...(action === undefined ? [] : [`  action       ${action.id}`, `  outcome      ${action.outcome}${action.ended ? '' : ', still under way'}`]),
    `  leaves       ${counts.leaves}, of them ${counts.events} events in ${counts.streams} streams, ${counts.claims} claims`,
    `  tree heads   ${counts.tree_heads}`,
    `  root         ${report.root ?? 'none'}`,
    ...(witnessed ?? []).map(({ name, size, at }) => `  witness      ${name}: ${size === 0 ? 'nothing here is cosigned by it' : `${size} leaves at ${at ?? ''}`}`),
    `  keys         ${report.keys === 'pinned' ? 'pinned by you' : 'those the file brings itself'}`,
    ...(shown.length === 0 ? [] : ['', `${report.violations_total} findings:`, ...shown.map(violationLine)]),
    ...(report.violations_total > shown.length ? [`  … and ${report.violations_total - shown.length} more (--json lists up to ${report.violations.length})`] : []),
    '',
    ...report.notes.map((note) => `  note: ${note}`),
  ];
  return `${lines.join('\n')}\n`;
};
