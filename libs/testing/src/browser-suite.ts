import { accessSync, constants } from 'node:fs';
import type { Browser } from '@playwright/test';
import { describeNeeding } from './needing-suite.js';

/** EXEQUATUR_CHROMIUM, else where Debian puts it. */
const executablePath = (): string => process.env['EXEQUATUR_CHROMIUM'] ?? '/usr/bin/chromium';

/** What is missing for a browser suite; undefined when nothing is. */
export const browserPrerequisite = (): string | undefined => {
  try {
    accessSync(executablePath(), constants.X_OK);
    return undefined;
  } catch {
    return 'chromium';
  }
};

/**
 * `describe` for suites that walk pages in a real browser. Without Chromium one test stands in for the suite and says so; with
 * EXEQUATUR_REQUIRE_BROWSER=1, as in CI, that test fails instead.
 */
export const describeWithBrowser = (name: string, body: () => void): void => describeNeeding(browserPrerequisite(), 'EXEQUATUR_REQUIRE_BROWSER', name, body);

/** Headless Chromium that talks to nobody but the pages it is sent to. Playwright is loaded only here: most suites need none. */
export const launchBrowser = async (): Promise<Browser> => {
  const { chromium } = await import('@playwright/test');
  return chromium.launch({ executablePath: executablePath(), args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--no-first-run'] });
};
