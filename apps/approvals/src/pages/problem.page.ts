import type { PageSessions } from '@exequatur/service-kit';
import { html } from './html.js';
import { page } from './layout.js';

type ProblemDocument = Parameters<PageSessions['problemPage']>[0];

/** Any problem as a page: what happened, its stable code, and the way back. */
export const problemPage = (document: ProblemDocument): string =>
  page({
    title: document.title,
    body: html`<div class="narrow"><h1>${document.title}</h1>${document.detail === undefined ? undefined : html`<p>${document.detail}</p>`}<p class="muted">Code <code>${document.code}</code></p><p><a class="button" href="/queue">Back to the queue</a></p></div>`,
  });
