import { accessSync, constants } from 'node:fs';
import { launch, type Browser } from 'puppeteer-core';

const CHROMIUM = '/usr/bin/chromium';

/** Why there is no browser to open a page in; null where there is one. */
export const NO_CHROMIUM: string | null = (() => {
  try {
    accessSync(CHROMIUM, constants.X_OK);
    return null;
  } catch {
    return `there is no ${CHROMIUM}`;
  }
})();

/** Headless, with a profile of its own, which goes with it. */
export function openBrowser(): Promise<Browser> {
  return launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}
