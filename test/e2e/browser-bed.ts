import { launchBrowser, PATIENCE_MS } from '@exequatur/testing';
import type { Browser, BrowserContext, Page } from '@playwright/test';
import { askingAt, until } from './asking.js';
import type { Ask } from './asking.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

/** A running instance, and a browser in front of it that has one page open at a time. */
export class BrowserBed {
  /** What the page's console and scripts complained of since it was opened. */
  complaints: string[] = [];
  context: BrowserContext | undefined;
  private asked = 0;

  private constructor(
    readonly standalone: RunningStandalone,
    readonly ask: Ask,
    private readonly browser: Browser,
    private readonly removeDirectory: () => void,
  ) {}

  static async start(args: readonly string[] = [], environment: Record<string, string> = {}): Promise<BrowserBed> {
    const directory = temporaryDirectory();
    const standalone = await startStandalone(directory.path, args, environment);
    return new BrowserBed(standalone, askingAt(standalone.origin), await launchBrowser(), () => directory.remove());
  }

  /** A browser that knows nothing of the one before, which is closed. */
  async open({ javaScriptEnabled = true, width = 1280 } = {}): Promise<Page> {
    await this.closePage();
    this.context = await this.browser.newContext({ javaScriptEnabled, viewport: { width, height: 900 } });
    this.context.setDefaultTimeout(PATIENCE_MS);
    const page = await this.context.newPage();
    this.complaints = [];
    page.on('console', (message) => this.complaints.push(message.text()));
    page.on('pageerror', (error) => this.complaints.push(error.message));
    return page;
  }

  async closePage(): Promise<void> {
    await this.context?.close();
    this.context = undefined;
  }

  urlOf(path: string): string {
    return `${this.standalone.origin}${path}`;
  }

  /** A refund that waits for a person, with its card rendered; its account is `customer`. */
  async refundAsked(amount: string, executionMode: 'managed' | 'self'): Promise<{ readonly action: string; readonly path: string; readonly title: string; readonly customer: string }> {
    const { agent, approver, scope_path } = this.standalone.credentials;
    const run = (this.asked += 1);
    const customer = `customer-${run}`;
    const { body } = await this.ask(agent, 'POST /v1/actions', {
      scope_path, run_id: `browser-${run}`, action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, target: customer,
      arguments: { account: customer, amount, note: 'Late delivery' }, environment: 'prod', reasoning: 'The parcel came a week late.', business_impact: 'A customer of ten years.', reversal: { handle: 'billing.recharge' }, execution_mode: executionMode,
    });
    const approval = String(body['approval_id']);
    const card = await until(() => this.ask<{ card: { title: string } }>(approver, `GET /v1/approvals/${approval}`), ({ status }) => status === 200, 'the card');
    return { action: String(body['action_id']), path: `/approvals/${approval}`, title: card.body.card.title, customer };
  }

  async statusOf(action: string): Promise<unknown> {
    return (await this.ask(this.standalone.credentials.agent, `GET /v1/actions/${action}`)).body['status'];
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.standalone.interrupt();
    this.removeDirectory();
  }
}
