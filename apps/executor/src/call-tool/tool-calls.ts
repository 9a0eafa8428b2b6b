import { Injectable } from '@nestjs/common';
import type { OpenConnector } from '../connectors/connectors.js';
import { Egress } from '../egress/egress.js';
import { askHttpTool } from './ask-http-tool.js';
import type { ToolSaid } from './ask-http-tool.js';
import { callHttpTool } from './call-http-tool.js';
import { sendMail } from './send-mail.js';
import type { CallResult, ToolCall } from './tool-call.js';

/** The tools behind connectors: called once, or asked as often as needed. Never throws: how it went is in the result. */
@Injectable()
export class ToolCalls {
  constructor(private readonly egress: Egress) {}

  call(connector: OpenConnector, call: ToolCall): Promise<CallResult> {
    return connector.type === 'http' ? callHttpTool(connector.settings, connector.credential, call, this.egress) : sendMail(connector.settings, connector.credential, call, this.egress);
  }

  /** What the tool says of an effect key; undefined when its connector cannot ask. */
  async ask(connector: OpenConnector, effectKey: string, signal: AbortSignal): Promise<ToolSaid | undefined> {
    if (connector.type !== 'http' || connector.settings.outcome_query === undefined) return undefined;
    return askHttpTool(connector.settings, connector.settings.outcome_query, connector.credential, effectKey, this.egress, signal);
  }
}
