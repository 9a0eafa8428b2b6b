const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };

/** An answer as it goes out: serialised once, so that a replay is byte-equal. */
export class Answer {
  constructor(
    readonly status: number,
    readonly body: Buffer,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  static json(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Answer {
    return new Answer(status, Buffer.from(JSON.stringify(value), 'utf8'), headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...headers });
  }

  static html(status: number, page: string, headers: Readonly<Record<string, string>> = {}): Answer {
    return new Answer(status, Buffer.from(page, 'utf8'), { 'content-type': 'text/html; charset=utf-8', ...headers });
  }

  /** 303 See Other: after a form was posted. */
  static seeOther(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
    return new Answer(303, Buffer.alloc(0), { location, ...headers });
  }
}
