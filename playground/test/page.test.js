// The page in a real browser.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { KINDS, normalised, recorded, wrapped } from '../../npm/test/recorded.js';
import { builder, serve } from '../build.js';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const FOLDERS = (process.env.PATH ?? '').split(delimiter);
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const SCREENSHOT = fileURLToPath(new URL('../../docs/playground.png', import.meta.url));

let page;
let browser;
let address;

before(async () => {
  const executablePath =
    process.env.CHROMIUM ??
    FOLDERS.flatMap((folder) => BROWSERS.map((name) => join(folder, name))).find(existsSync);
  assert(executablePath, 'no Chromium: apt install chromium, or name one in CHROMIUM');
  page = await builder();
  await page.rebuild();
  address = await serve(page, 0);
  const quiet = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  browser = await chromium.launch({ executablePath, args: quiet });
});

after(async () => {
  await browser?.close();
  await page?.dispose();
});

/** Opens the page; any error in it, and any request to elsewhere, fails the test. */
async function open(context, { fragment = '', ...options } = {}) {
  const session = await browser.newContext({
    viewport: { width: 1400, height: 800 },
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  session.setDefaultTimeout(10_000);
  const tab = await session.newPage();
  const faults = [];
  tab.on('pageerror', (error) => faults.push(String(error)));
  tab.on('console', (line) => line.type() === 'error' && faults.push(line.text()));
  tab.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith('data:')) faults.push(url);
  });
  context.after(async () => {
    await session.close();
    assert.deepEqual(faults, []);
  });
  await tab.goto(address + fragment);
  await tab.locator('#summary:not(:empty)').waitFor();
  return tab;
}

const summary = (tab) => tab.locator('#summary').textContent();

async function waitForSummary(tab, text) {
  await tab.locator('#summary', { hasText: text }).waitFor();
}

/** Replaces the text of an editor as a user does. */
async function write(tab, id, text) {
  await tab.locator(`#${id} .cm-content`).click();
  await tab.keyboard.press('ControlOrMeta+a');
  await tab.keyboard.insertText(text);
}

const lines = (tab, id) => tab.locator(`#${id} .cm-content`).innerText();

test('shows what is injected into an example', async (context) => {
  const tab = await open(context);
  assert.equal(await summary(tab), 'Injected: ddtrace-java.');
  const added = await tab.locator('#diff .cm-changedLine').allInnerTexts();
  assert(
    added.some((line) => line.includes('datakit-lib-init')),
    added.join('\n'),
  );
  await tab.getByRole('tab', { name: 'Patch' }).click();
  const patch = JSON.parse(await tab.locator('#patch').innerText());
  assert(patch.some(({ path }) => path === '/spec/template/spec/initContainers'));
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  const explanation = await tab.locator('#explanation').innerText();
  assert.match(explanation, /injected ddtrace-java: by admission_inject\.ddtrace/);
  assert.match(explanation, /python-profiler\.version is not there/);
});

test('has an example for every kind of injection', async (context) => {
  const tab = await open(context);
  const shown = [];
  for (const { value } of await tab
    .locator('#example option')
    .evaluateAll((options) => options.map((option) => ({ value: option.value })))) {
    await tab.selectOption('#example', value);
    shown.push(await summary(tab));
  }
  assert.deepEqual(shown, [
    'Injected: ddtrace-java.',
    'Injected: ddtrace-java.',
    'Injected: logfwd, logging.',
    'Injected: logging.',
    'Injected: profiler-java.',
    'Injected: profiler-python.',
    'Injected: ddtrace-java.',
  ]);
});

test('follows what is written', async (context) => {
  const tab = await open(context);
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: app\n';
  await write(tab, 'manifest', pod);
  await waitForSummary(tab, 'Nothing is injected.');
  await write(
    tab,
    'settings',
    '{"admission_inject_v2": {"ddtraces": [{"namespace_selectors": ["*"], "language": "php", "image": "a/b:1"}]}}',
  );
  await waitForSummary(tab, 'Injected: ddtrace-php.');
  await write(tab, 'manifest', `${pod}---\n${pod}`);
  await waitForSummary(tab, 'Injected: ddtrace-php, ddtrace-php.');
});

test('warns of what is not injected', async (context) => {
  const tab = await open(context);
  const pod = await lines(tab, 'manifest');
  await write(tab, 'manifest', pod.replace('java-lib.version: ""', 'java-lib.version: "no tag"'));
  await waitForSummary(tab, 'Nothing is injected.');
  assert.match(await tab.locator('#warnings').innerText(), /is not an image tag; give a version/);
});

test('marks faults of settings at their lines', async (context) => {
  const tab = await open(context);
  const faults = tab.locator('#faults button');
  const message = /^Line 4: admission_inject_v2\.ddtraces\[0\]\.language: .*did you mean `java`\?$/;
  await write(
    tab,
    'settings',
    'log_level: info\nadmission_inject_v2:\n  ddtraces:\n  - {language: jva, namespace_selectors: ["*"], image: "a/b:1"}\n',
  );
  await waitForSummary(tab, '1 fault.');
  assert.match(await faults.innerText(), message);
  const marker = await tab.locator('#settings .cm-lint-marker-error').boundingBox();
  const line = await tab.locator('#settings .cm-line').nth(3).boundingBox();
  assert(Math.abs(marker.y - line.y) < line.height, 'the mark stands at line 4');
  await faults.click();
  const active = tab.locator('#settings .cm-activeLine');
  assert.match(await active.innerText(), /language: jva/);
  await write(tab, 'settings', 'a: [');
  await tab.locator('#faults button', { hasText: /^Line 1: / }).waitFor();
});

test('reads settings from whatever holds them', async (context) => {
  const tab = await open(context);
  const rule = { language: 'java', namespace_selectors: ['*'], image: 'a/b:1' };
  const config = JSON.stringify({ admission_inject_v2: { ddtraces: [rule] } });
  const policy = `kind: ClusterAdmissionPolicy\nspec:\n  settings: ${config}\n`;
  const configMap = `kind: ConfigMap\ndata:\n  other: x\n  config: '${config}'\n`;
  for (const [text, kind] of [
    [policy, 'Read from a policy.'],
    [configMap, 'Read from the Operator’s ConfigMap.'],
  ]) {
    await write(tab, 'settings', text);
    await tab.locator('#kind', { hasText: kind }).waitFor();
    await waitForSummary(tab, 'Injected: ddtrace-java.');
    await write(tab, 'settings', text.replace('java', 'jva'));
    const line = text === policy ? 3 : 4;
    await tab.locator('#faults button', { hasText: new RegExp(`^Line ${line}: .*java`) }).waitFor();
  }
});

test('marks what is no YAML in a manifest', async (context) => {
  const tab = await open(context);
  await write(tab, 'manifest', 'kind: Pod\nspec: {a: b: c}\n');
  await tab
    .locator('#manifest-faults button', { hasText: /^Line 2: / })
    .first()
    .waitFor();
  await write(tab, 'manifest', 'kind: Pod\nspec: *nothing\n');
  await tab.locator('#manifest-faults button', { hasText: /nothing/ }).waitFor();
});

test('opens the link that it copies', async (context) => {
  const tab = await open(context);
  await tab.selectOption('#example', { label: 'Profiler for Python' });
  await tab.getByRole('button', { name: 'Copy link' }).click();
  await tab.getByText('Link copied.').waitFor();
  const link = await tab.evaluate(() => navigator.clipboard.readText());
  assert(link.startsWith(`${address}#`));
  const other = await open(context, { fragment: new URL(link).hash });
  assert.equal(await summary(other), 'Injected: profiler-python.');
  assert.equal(await lines(other, 'manifest'), await lines(tab, 'manifest'));
  const broken = await open(context, { fragment: '#nonsense' });
  assert.equal(await summary(broken), 'Injected: ddtrace-java.');
});

test('answers in the browser what the reference answered', async (context) => {
  const tab = await open(context);
  const cases = recorded().flatMap(({ id, settings, namespace, object, expected, mutated }) =>
    KINDS.map((kind) => ({
      id: `${id} as ${kind}`,
      settings,
      request: { operation: 'CREATE', namespace, object: wrapped(object, kind) },
      expected: { object: wrapped(expected, kind), mutated },
    })),
  );
  const answers = await tab.evaluate(async (given) => {
    const { mutate } = await import('./datakit-injection.js');
    return given.map(({ request, settings }) => mutate(request, settings));
  }, cases);
  for (const [index, { id, expected }] of cases.entries()) {
    const { object, mutated } = answers[index];
    assert.deepEqual(normalised({ object, mutated }), normalised(expected), id);
  }
  context.diagnostic(`${answers.length} recorded answers hold in the browser`);
});

test('can be used with the keyboard alone', async (context) => {
  const tab = await open(context);
  await tab.locator('#settings .cm-content').focus();
  await tab.keyboard.press('Tab');
  assert(
    await tab.locator('#manifest .cm-content').evaluate((node) => node === document.activeElement),
  );
  await tab.keyboard.press('Tab');
  await tab.keyboard.press('ArrowRight');
  assert(await tab.locator('#patch').isVisible());
  await tab.keyboard.press('End');
  assert(await tab.locator('#explanation').isVisible());
  await tab.keyboard.press('ArrowRight');
  assert(await tab.locator('#diff').isVisible());
});

for (const [name, options] of Object.entries({
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
})) {
  test(`is accessible: ${name}`, async (context) => {
    const tab = await open(context, { ...options, bypassCSP: true });
    await write(tab, 'settings', 'log_levle: info\n');
    await waitForSummary(tab, '1 fault.');
    await tab.addScriptTag({ path: AXE });
    for (const panel of ['Diff', 'Patch', 'Explanation']) {
      for (const example of [0, 2]) {
        await tab.getByRole('tab', { name: panel }).click();
        const { violations } = await tab.evaluate(() => globalThis.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
        assert.deepEqual(found, [], `${panel}, ${example}`);
        await tab.selectOption('#example', String(example));
      }
    }
    const overflow = await tab.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0, 'nothing sticks out sideways');
  });
}

test('a picture for the README', { skip: !process.env.UPDATE_SCREENSHOT }, async (context) => {
  const tab = await open(context, { colorScheme: 'light' });
  await tab.screenshot({ path: SCREENSHOT });
});
