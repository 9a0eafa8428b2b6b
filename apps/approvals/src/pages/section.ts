import type { Answer, HttpRequest, PersonPrincipal } from '@exequatur/service-kit';
import { Answer as Answers, problem } from '@exequatur/service-kit';
import { bouncePage, mayOpen, type Section } from './layout.js';
import { cameFromElsewhere, loginPathFor } from './navigation.js';

/** To sign in first, and back here; undefined for whoever is signed in. */
export const signInFirst = (request: HttpRequest, path: string): Answer | undefined => {
  if (request.principal !== undefined) return undefined;
  return cameFromElsewhere(request) ? bouncePage(path) : Answers.seeOther(loginPathFor(path));
};

/** The person who reads a page. @throws Problem FORBIDDEN for agents, and for people without a role of the section */
export const readerOf = (request: HttpRequest, section: Section): PersonPrincipal => {
  const person = request.principal?.type === 'person' ? request.principal : problem('FORBIDDEN', 'only people read these pages');
  return mayOpen(section, person.roles) ? person : problem('FORBIDDEN', 'none of your roles opens this page');
};
