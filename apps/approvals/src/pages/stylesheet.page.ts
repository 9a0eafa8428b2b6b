import { readFileSync } from 'node:fs';
import { Controller, Get } from '@nestjs/common';
import { Allow, Answer, Page } from '@exequatur/service-kit';

const STYLES = readFileSync(new URL('./style.css', import.meta.url));

/** The one stylesheet; static paths win over /approvals/:id. */
@Controller()
@Page()
@Allow('public')
export class StylesheetPage {
  @Get('approvals/style.css')
  show(): Answer {
    return new Answer(200, STYLES, { 'content-type': 'text/css; charset=utf-8', 'cache-control': 'public, max-age=300' });
  }
}
