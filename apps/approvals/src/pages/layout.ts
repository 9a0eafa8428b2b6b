import { Answer } from '@exequatur/service-kit';
import { html, type HtmlValue, type Markup } from './html.js';
import type { PageSession } from './sessions.js';

/** Scripts, images, frames and foreign forms are off: a page is text, our stylesheet, and forms to ourselves. */
const PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
export const STYLESHEET_PATH = '/approvals/style.css';

export interface PageContent {
  readonly title: string;
  readonly session?: PageSession | undefined;
  /** of whoever is signed in: what the navigation leads to */
  readonly roles?: readonly string[];
  /** the section this page stands in */
  readonly section?: Section;
  readonly body: HtmlValue;
  /** Extra elements of the head. */
  readonly head?: Markup;
}

export const csrfField = (session: PageSession): Markup => html`<input type="hidden" name="csrf" value="${session.csrf}">`;

/** Who finds what in the navigation; what a page shows is judged again there. */
const SECTIONS = [
  { path: '/queue', words: 'Queue', roles: undefined },
  { path: '/queue/reviews', words: 'After the fact', roles: ['approver', 'operator', 'auditor', 'admin'] },
  { path: '/queue/reviewers', words: 'Reviewers', roles: ['operator', 'auditor', 'admin'] },
  { path: '/queue/planted', words: 'Planted', roles: ['auditor', 'admin'] },
] as const;
export type Section = (typeof SECTIONS)[number]['path'];

export const mayOpen = (section: Section, own: readonly string[]): boolean => {
  const roles: readonly string[] | undefined = SECTIONS.find(({ path }) => path === section)?.roles;
  return roles === undefined || own.some((role) => roles.includes(role));
};

const navigation = ({ roles = [], section }: PageContent): Markup => {
  const shown = SECTIONS.filter(({ path }) => mayOpen(path, roles));
  return html`<nav aria-label="Main">${shown.map(({ path, words }) => html`<a href="${path}"${path === section && html` aria-current="page"`}>${words}</a>`)}</nav>`;
};

const accountOf = (content: PageContent): HtmlValue => {
  const { session } = content;
  return session?.person === undefined
    ? undefined
    : html`${navigation(content)}
<form class="account" method="post" action="/logout">${csrfField(session)}<span class="who"><a href="/queue/reviewers?reviewer=${session.person}" title="How you review">${session.person}</a><span class="tenant"> · ${session.tenant}</span></span><button class="quiet" type="submit">Sign out</button></form>`;
};

export const page = (content: PageContent): string => {
  const { title, body, head } = content;
  return `<!doctype html>\n${
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
<header class="bar"><div class="wrap"><a class="brand" href="/queue"><span class="seal" aria-hidden="true"></span>Exequatur</a>${accountOf(content)}</div></header>
<main id="main" class="wrap" tabindex="-1">
${body}
</main>
</body>
</html>`.text
  }`;
};

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
