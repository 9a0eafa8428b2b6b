import { Answer } from '@exequatur/service-kit';
import { html, type HtmlValue, type Markup } from './html.js';
import type { PageSession } from './sessions.js';

/** Scripts, images, frames and foreign forms are off: a page is text, our stylesheet, and forms to ourselves. */
const PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
export const STYLESHEET_PATH = '/approvals/style.css';

export interface PageContent {
  readonly title: string;
  readonly session?: PageSession | undefined;
  readonly body: HtmlValue;
  /** Extra elements of the head. */
  readonly head?: Markup;
}

export const csrfField = (session: PageSession): Markup => html`<input type="hidden" name="csrf" value="${session.csrf}">`;

const accountOf = (session: PageSession | undefined): HtmlValue =>
  session?.person === undefined
    ? undefined
    : html`<nav aria-label="Main"><a href="/queue">Queue</a></nav>
<form class="account" method="post" action="/logout">${csrfField(session)}<span class="who">${session.person}<span class="tenant"> · ${session.tenant}</span></span><button class="quiet" type="submit">Sign out</button></form>`;

export const page = ({ title, session, body, head }: PageContent): string =>
  `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Exequatur</title>
<link rel="stylesheet" href="${STYLESHEET_PATH}">
${head}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="bar"><div class="wrap"><a class="brand" href="/queue"><span class="seal" aria-hidden="true"></span>Exequatur</a>${accountOf(session)}</div></header>
<main id="main" class="wrap" tabindex="-1">
${body}
</main>
</body>
</html>`.text
  }`;

export const pageAnswer = (status: number, content: PageContent, headers: Readonly<Record<string, string>> = {}): Answer => Answer.html(status, page(content), { 'content-security-policy': PAGE_POLICY, ...headers });

/**
 * A link from a mail or another site comes without our SameSite=Strict cookie, although the visitor may be signed in. This
 * page asks again from here, and the cookie comes along.
 */
export const bouncePage = (path: string): Answer =>
  pageAnswer(200, {
    title: 'One moment',
    head: html`<meta http-equiv="refresh" content="0;url=${path}">`,
    body: html`<div class="narrow"><h1>One moment</h1><p><a class="button" href="${path}">Continue</a></p></div>`,
  });
