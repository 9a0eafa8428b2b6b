import { Injectable } from '@nestjs/common';
import type { OpenConnector } from '../connectors/connectors.js';
import { Egress } from '../egress/egress.js';
import { callHttpTool } from './call-http-tool.js';
import { sendMail } from './send-mail.js';
import type { CallResult, ToolCall } from './tool-call.js';

/** Calls the tool behind a connector, once. Never throws: how it went is in the result. */
@Injectable()
export class ToolCalls {
  constructor(private readonly egress: Egress) {}

  call(connector: OpenConnector, call: ToolCall): Promise<CallResult> {
    return connector.type === 'http' ? callHttpTool(connector.settings, connector.credential, call, this.egress) : sendMail(connector.settings, connector.credential, call, this.egress);
  }
}
