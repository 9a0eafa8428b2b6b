/** One mail that the sink accepted from its sender's point of view: envelope, then content. */
export type ReceivedMail = {
  /** Envelope sender and recipients (MAIL FROM, RCPT TO), which may differ from the headers. */
  from: string;
  to: readonly string[];
  /** Lower-case name to value, unfolded; of a repeated header the last one. Encoded words stay encoded. */
  headers: Readonly<Record<string, string>>;
  subject: string;
  /** The body after undoing base64 or quoted-printable, as UTF-8; of a multipart mail the whole body as sent. */
  text: string;
  /** Exactly what came over the wire. */
  raw: Buffer;
  at: Date;
};

const headersOf = (head: string): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
};

const quotedPrintable = (body: string): string =>
  Buffer.from(body.replace(/=\r?\n/g, '').replace(/=([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), 'latin1').toString('utf8');

const decoded = (body: Buffer, encoding: string): string => {
  if (encoding === 'base64') return Buffer.from(body.toString('latin1'), 'base64').toString('utf8');
  return encoding === 'quoted-printable' ? quotedPrintable(body.toString('latin1')) : body.toString('utf8');
};

/** Encoded words (RFC 2047) of a subject, which is how a mailer sends anything but ASCII. */
const subjectOf = (value: string): string =>
  value.replace(/\?=\s+=\?/g, '?==?').replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_all, kind: string, content: string) =>
    kind.toLowerCase() === 'b' ? Buffer.from(content, 'base64').toString('utf8') : quotedPrintable(content.replaceAll('_', ' ')));

/** Reads a message as received. Never fails: a malformed mail has few headers and its bytes in `raw`. */
export const readMail = (envelope: { from: string; to: readonly string[] }, raw: Buffer, at: Date): ReceivedMail => {
  const separator = /\r?\n\r?\n/.exec(raw.toString('latin1'));
  const headEnd = separator === null ? raw.length : separator.index;
  const headers = headersOf(raw.subarray(0, headEnd).toString('utf8'));
  const body = raw.subarray(headEnd + (separator?.[0].length ?? 0));
  return { ...envelope, headers, subject: subjectOf(headers['subject'] ?? ''), text: decoded(body, (headers['content-transfer-encoding'] ?? '').toLowerCase()), raw, at };
};
