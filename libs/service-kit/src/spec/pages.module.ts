import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { Answer } from '../http/answer.js';
import type { HttpRequest } from '../http/http-request.js';
import { Allow, Caller, Page } from '../identity/allow.js';
import type { PageSessions } from '../identity/page-sessions.js';
import { principalName, type Principal } from '../identity/principal.js';
import type { ProblemDocument } from '../problem/problem.js';
import { PAGE_SESSIONS } from '../service/tokens.js';

/** A session as plain as can be: the cookie is the person's name. Real ones are sealed. */
const sessions: PageSessions = {
  loginPath: '/login',
  read: (request: HttpRequest) => {
    const person = /^who=(\w+)$/.exec(request.headers.cookie ?? '')?.[1];
    return Promise.resolve(person === undefined ? undefined : { tenant: 'acme', person });
  },
  problemPage: ({ code }: ProblemDocument) => `<p>${code}</p>`,
};

@Controller()
export class PagesController {
  @Get('queue')
  @Page()
  @Allow('person:approver')
  queue(@Caller() caller: Principal): Answer {
    return Answer.html(200, `<p>${principalName(caller)}</p>`);
  }

  @Post('queue')
  @Page()
  @Allow('person:approver')
  decide(@Body() form: Readonly<Record<string, string>>): Answer {
    return Answer.seeOther(`/queue?decided=${form['decision'] ?? 'nothing'}`);
  }

  /** No page: a cookie is worth nothing here. */
  @Get('queue-data')
  @Allow('person:approver')
  data(): Answer {
    return Answer.json(200, {});
  }
}

@Module({ controllers: [PagesController], providers: [{ provide: PAGE_SESSIONS, useValue: sessions }] })
export class PagesModule {}
