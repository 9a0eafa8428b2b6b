import { visibleLine, visibleLines } from '../visible-line.js';

/** `GET /v1/approvals/{id}/card`. */
export interface ShownCard {
  readonly approval_id: string;
  readonly status: string;
  readonly version: number;
  readonly view_hash: string;
  readonly title: string;
  readonly expires_at: string;
  readonly has_reversal: boolean;
  readonly sections: readonly { readonly title: string; readonly rows: readonly { readonly label: string; readonly text: string }[] }[];
}

const WIDTH = 96;
/** Everybody's words stand to the right of this bar, so no line of theirs can pass for one of the card. */
const BAR = '  │ ';
const RULE = '─'.repeat(WIDTH);

/** A card as lines. `width` counts characters; wide ones may reach over it. */
export const drawCard = ({ approval_id, status, view_hash, title, expires_at, sections }: ShownCard, width = WIDTH): readonly string[] => [
  RULE.slice(0, width),
  ...visibleLines(title, width),
  `${visibleLine(status)} · decide by ${visibleLine(expires_at)}`,
  ...sections.flatMap((section) => ['', visibleLine(section.title).toUpperCase(), ...section.rows.flatMap(({ label, text }) => drawnRow(label, text, width))]),
  '',
  `request ${visibleLine(approval_id)}`,
  `view    ${visibleLine(view_hash)}`,
  RULE.slice(0, width),
];

const drawnRow = (label: string, text: string, width: number): readonly string[] => {
  const lines = visibleLines(text, width - BAR.length);
  const [first = ''] = lines;
  const name = visibleLine(label);
  return lines.length === 1 && name.length + first.length + 2 <= width - 2 ? [`  ${name}: ${first}`] : [`  ${name}:`, ...lines.map((line) => `${BAR}${line}`)];
};
