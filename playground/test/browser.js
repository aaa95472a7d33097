// The browser of the tests: CHROMIUM, or the first of the known names in PATH.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const FOLDERS = (process.env.PATH ?? '').split(delimiter);

/** Starts a browser that asks nobody for anything. */
export function launch() {
  const executablePath =
    process.env.CHROMIUM ??
    FOLDERS.flatMap((folder) => BROWSERS.map((name) => join(folder, name))).find(existsSync);
  assert(executablePath, 'no Chromium: apt install chromium, or name one in CHROMIUM');
  const quiet = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath, args: quiet });
}
