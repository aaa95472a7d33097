// The page in a real browser.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { conditions, convertSettings, mutate } from 'datakit-injection';
import { chromium } from 'playwright-core';
import { parse, parseAllDocuments } from 'yaml';
import { KINDS, normalised, recorded, withoutRecord, wrapped } from '../../npm/test/recorded.js';
import { builder, serve } from '../build.js';
import { documents, preferred, texts } from '../src/texts.js';

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
  const errors = [];
  tab.on('pageerror', (error) => errors.push(String(error)));
  tab.on('console', (line) => line.type() === 'error' && errors.push(line.text()));
  tab.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith('data:')) errors.push(url);
  });
  context.after(async () => {
    await session.close();
    assert.deepEqual(errors, []);
  });
  await tab.goto(address + fragment);
  await tab.locator('#summary:not(:empty)').waitFor();
  return tab;
}

const summary = (tab) => tab.locator('#summary').textContent();

async function waitForSummary(tab, text) {
  await tab.locator('#summary', { hasText: text }).waitFor();
}

/** Settings with one rule for Java. */
const settingsWith = (rule) =>
  JSON.stringify({
    admission_inject_v2: {
      ddtraces: [{ language: 'java', namespace_selectors: ['*'], image: 'a/b:1', ...rule }],
    },
  });

const POD =
  'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: app\n';

/** The text of what a button downloads, and its name. */
async function downloaded(tab, button) {
  const download = tab.waitForEvent('download');
  await tab.getByRole('button', { name: button }).click();
  const file = await download;
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
}

/** Drops files on an element, as a user does. */
async function drop(tab, selector, files) {
  const transfer = await tab.evaluateHandle((given) => {
    const data = new DataTransfer();
    for (const [name, text] of given) data.items.add(new File([text], name));
    return data;
  }, files);
  for (const event of ['dragover', 'drop']) {
    await tab.locator(selector).dispatchEvent(event, { dataTransfer: transfer });
  }
}

/** Replaces the text of an editor as a user does. */
async function write(tab, id, text) {
  await tab.locator(`#${id} .cm-content`).click();
  await tab.keyboard.press('ControlOrMeta+a');
  await tab.keyboard.insertText(text);
}

const lines = (tab, id) => tab.locator(`#${id} .cm-content`).innerText();

test('opens on a rule and a Deployment that it selects', async (context) => {
  const tab = await open(context);
  assert.equal(await summary(tab), 'Injected: ddtrace-java.');
  assert.equal((await lines(tab, 'settings')).trim().split('\n').length, 6);
  assert.match(await lines(tab, 'settings'), /^admission_inject_v2:/);
  assert.match(await lines(tab, 'manifest'), /kind: Deployment/);
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
  assert.match(explanation, /injected ddtrace-java: by admission_inject_v2\.ddtraces\[0\]/);
  assert.match(explanation, /Namespace shop, of the field/);
  assert.match(explanation, /read as release 1\.8/);
  assert.match(explanation, /otel: not considered, ddtrace takes precedence/);
});

test('has an example for every kind of injection', async (context) => {
  const tab = await open(context);
  const shown = [];
  for (const option of await tab.locator('#example option:not([hidden])').all()) {
    await tab.selectOption('#example', await option.getAttribute('value'));
    shown.push((await summary(tab)).replace(/ \d notes?\.$/, ''));
  }
  assert.deepEqual(shown, [
    'Injected: ddtrace-java.',
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
  await write(tab, 'manifest', POD.replace('v1', 'v0'));
  await waitForSummary(tab, 'Nothing is injected.');
  await write(tab, 'manifest', POD);
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  await write(tab, 'settings', settingsWith({ language: 'php' }));
  await waitForSummary(tab, 'Injected: ddtrace-php.');
  assert.equal(await tab.locator('#example').inputValue(), '', 'no example any more');
  await write(tab, 'manifest', `${POD}---\n${POD}`);
  await waitForSummary(tab, 'Injected: ddtrace-php, ddtrace-php.');
});

test('warns of what is not injected', async (context) => {
  const tab = await open(context);
  await tab.selectOption('#example', 'ddtrace');
  const pod = await lines(tab, 'manifest');
  await write(tab, 'manifest', pod.replace('java-lib.version: ""', 'java-lib.version: "no tag"'));
  await waitForSummary(tab, 'Nothing is injected.');
  assert.match(await tab.locator('#warnings').innerText(), /is not an image tag; use a version/);
});

test('marks errors of settings at their lines', async (context) => {
  const tab = await open(context);
  const problems = tab.locator('#settings-problems button');
  const message = /^Line 4: admission_inject_v2\.ddtraces\[0\]\.language: .*did you mean `java`\?$/;
  await write(
    tab,
    'settings',
    'log_level: info\nadmission_inject_v2:\n  ddtraces:\n  - {language: jva, namespace_selectors: ["*"], image: "a/b:1"}\n',
  );
  await waitForSummary(tab, '1 error.');
  assert.match(await problems.innerText(), message);
  const marker = await tab.locator('#settings .cm-lint-marker-error').boundingBox();
  const line = await tab.locator('#settings .cm-line').nth(3).boundingBox();
  assert(Math.abs(marker.y - line.y) < line.height, 'the mark is at line 4');
  await problems.click();
  const active = tab.locator('#settings .cm-activeLine');
  assert.match(await active.innerText(), /language: jva/);
  await write(tab, 'settings', 'a: [');
  await tab.locator('#settings-problems button', { hasText: /^Line 1: / }).waitFor();
});

test('notes what is surely not meant, beside the errors', async (context) => {
  const tab = await open(context);
  const problems = tab.locator('#settings-problems button');
  const rule = '  - {language: java, namespace_selectors: ["*"], image: "a/b:1"}\n';
  await write(tab, 'settings', `admission_inject_v2:\n  ddtraces:\n${rule}${rule}`);
  await waitForSummary(tab, 'Injected: ddtrace-java. 1 note.');
  assert.match(await problems.innerText(), /^Line 4, note: .*ddtraces\[1\]: is never used/);
  await tab.locator('#settings .cm-lint-marker-warning').waitFor();
  await write(
    tab,
    'settings',
    `log_levle: info\nadmission_inject_v2:\n  ddtraces:\n${rule}${rule}`,
  );
  await waitForSummary(tab, '1 error. 1 note.');
  assert.deepEqual(
    (await problems.allInnerTexts()).map((text) => text.replace(/:.*/, '')),
    ['Line 1', 'Line 5, note'],
  );
  await write(tab, 'settings', '{}');
  await problems.filter({ hasText: 'Line 1, note: there are no rules' }).waitFor();
});

test('reads settings from whatever holds them', async (context) => {
  const tab = await open(context);
  const rule = { language: 'java', namespace_selectors: ['*'], image: 'a/b:1' };
  const config = JSON.stringify({ admission_inject_v2: { ddtraces: [rule] } });
  const policy = `kind: ClusterAdmissionPolicy\nspec:\n  settings: ${config}\n`;
  const values = `operator:\n  tag: v1\n  settings:\n    config: '${config}'\n`;
  const configMap = `kind: ConfigMap\ndata:\n  other: x\n  config: '${config}'\n`;
  const service = 'kind: Service\n';
  const operator = `${service}---\n${configMap}---\n${service}`;
  const printed = `kind: List\nitems:\n- ${service}- ${configMap.replaceAll('\n', '\n  ')}\n`;
  for (const [text, kind] of [
    [policy, 'Read as the settings of a policy.'],
    [configMap, "Read as the Operator's ConfigMap."],
    [values, 'Read as values of a chart.'],
    [operator, "Read as the Operator's ConfigMap, document 2 of 3."],
    [printed, "Read as the Operator's ConfigMap, item 2 of a List."],
  ]) {
    await write(tab, 'settings', text);
    await tab.locator('#kind', { hasText: kind }).waitFor();
    await waitForSummary(tab, 'Injected: ddtrace-java.');
    await write(tab, 'settings', text.replace('java', 'jva'));
    const line = text.slice(0, text.indexOf(config)).split('\n').length;
    await tab
      .locator('#settings-problems button', { hasText: new RegExp(`^Line ${line}: .*java`) })
      .waitFor();
  }
  // As the command says it, and where.
  for (const [text, problem] of [
    [`${service}---\n${service}`, /^Line 1: holds 2 documents \(Service, Service\) without/],
    [`${configMap}---\n${values}`, /^Line 1: holds 2 configurations: .*; pass one of them$/],
    [
      `${service}---\nkind: ConfigMap\ndata:\n  a.json: '{"admission_a":'\n`,
      /^Line 5: is not JSON/,
    ],
    ['log_level: info\nddtraces: []\n', /^Line 2: ddtraces: belongs in `admission_inject_v2/],
  ]) {
    await write(tab, 'settings', text);
    await tab.locator('#settings-problems .error', { hasText: problem }).waitFor();
  }
});

test('marks what is no YAML in a manifest', async (context) => {
  const tab = await open(context);
  await write(tab, 'manifest', 'kind: Pod\nspec: {a: b: c}\n');
  await tab
    .locator('#manifest-problems button', { hasText: /^Line 2: / })
    .first()
    .waitFor();
  await write(tab, 'manifest', 'kind: Pod\nspec: *nothing\n');
  await tab.locator('#manifest-problems button', { hasText: /nothing/ }).waitFor();
});

test('refuses what is not an object', async (context) => {
  const tab = await open(context);
  await write(tab, 'manifest', `${POD}---\ntext\n`);
  const message = 'Line 9: request.object is a string, expected an object';
  await tab.locator('#manifest-problems button', { hasText: message }).waitFor();
  assert.equal(await summary(tab), 'Injected: ddtrace-java. 1 error.');
});

test('compares with the namespace of the field, or of the manifest', async (context) => {
  const tab = await open(context);
  await tab.getByLabel('Namespace').fill('other');
  await waitForSummary(tab, 'Nothing is injected.');
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  const explanation = tab.locator('#explanation');
  assert.match(await explanation.innerText(), /namespace selectors do not match `other`/);
  await tab.getByLabel('Namespace').fill('');
  await explanation.getByText('Namespace default, of the field').waitFor();
  const own = (await lines(tab, 'manifest')).replace('name: orders', 'namespace: shop');
  await write(tab, 'manifest', own);
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  await explanation.getByText('Namespace shop, of the manifest.').waitFor();
});

test('asks as for an update, and for the Pods of a workload', async (context) => {
  const tab = await open(context);
  const injected = await downloaded(tab, 'Download manifest');
  await write(tab, 'manifest', injected.text);
  await write(tab, 'settings', settingsWith({ namespace_selectors: ['^other$'] }));
  await tab.getByLabel('Operation').selectOption('UPDATE');
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  const explanation = tab.locator('#explanation');
  await explanation.getByText('removed ddtrace-java: nothing asks for it any more').waitFor();
  await explanation.getByText('Taken as an update that changes the pod template.').waitFor();

  await tab.selectOption('#example', 'start');
  await tab.getByLabel('Inject into').selectOption('pods');
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  assert.match(await explanation.innerText(), /^Pod\/orders-/);
  const { text } = await downloaded(tab, 'Download manifest');
  const pod = parse(text);
  assert.equal(pod.kind, 'Pod');
  assert.equal(pod.metadata.annotations, undefined, 'Pods have no record');
  assert.equal(pod.spec.initContainers[0].name, 'datakit-lib-init');
  await tab.getByLabel('Operation').selectOption('UPDATE');
  await explanation.getByText('the pod template of this kind is immutable').waitFor();

  await tab.getByLabel('Operation').selectOption('CREATE');
  const job = `apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers: [{name: app}]\n`;
  await write(tab, 'manifest', job);
  await explanation.getByText('Pod/nightly-').waitFor();
  const owned = parse((await downloaded(tab, 'Download manifest')).text);
  assert.equal(owned.metadata.ownerReferences[0].kind, 'Job');
  await write(tab, 'manifest', 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\n');
  await explanation.getByText('Service/web').waitFor();
});

test('takes files that are dropped or chosen', async (context) => {
  const tab = await open(context);
  await drop(tab, '#settings .cm-content', [['settings.json', settingsWith({ language: 'php' })]]);
  await waitForSummary(tab, 'Injected: ddtrace-php.');
  assert.equal((await lines(tab, 'settings')).trim(), settingsWith({ language: 'php' }));
  await drop(tab, '#manifest-section', [
    ['a.yaml', POD.trimEnd()],
    ['b.yaml', POD],
  ]);
  await waitForSummary(tab, 'Injected: ddtrace-php, ddtrace-php.');
  const chooser = tab.waitForEvent('filechooser');
  await tab.locator('#manifest-section').getByRole('button', { name: 'Open file' }).click();
  const file = { name: 'c.yaml', mimeType: 'application/yaml', buffer: Buffer.from(POD) };
  await (await chooser).setFiles([file]);
  await waitForSummary(tab, /^Injected: ddtrace-php\.$/);
  await drop(tab, '#manifest', [['picture.png', '\0PNG']]);
  await tab.getByText('picture.png is not a text file.').waitFor();
  await drop(tab, '#manifest', [['big.yaml', '#'.repeat(1024 * 1024 + 1)]]);
  await tab.getByText('big.yaml is larger than 1 MiB.').waitFor();
  await drop(tab, 'header', [['elsewhere.yaml', 'kind: Pod']]);
  assert.equal((await lines(tab, 'manifest')).trimEnd(), POD.trimEnd());
  await waitForSummary(tab, 'Injected: ddtrace-php.');
});

test('downloads the manifest of the policy', async (context) => {
  const tab = await open(context);
  for (const [mode, resources] of [
    ['workloads', 'deployments'],
    ['pods', 'pods'],
  ]) {
    await tab.getByLabel('Inject into').selectOption(mode);
    const { name, text } = await downloaded(tab, 'Download policy');
    assert.equal(name, 'datakit-injection-policy.yaml');
    const policy = parse(text);
    assert.equal(policy.kind, 'ClusterAdmissionPolicy');
    assert.equal(policy.spec.mode, 'monitor');
    assert.equal(policy.spec.rules[0].resources[0], resources);
    const settings = parse(await lines(tab, 'settings'));
    assert.deepEqual(policy.spec.settings, settings);
    assert.deepEqual(policy.spec.matchConditions, conditions(settings).conditions);
    assert.deepEqual(Object.keys(policy.spec).slice(-2), ['matchConditions', 'settings']);
    assert.doesNotMatch(text, /keep the two alike|default configuration/);
  }
  await tab.getByLabel('Inject into').selectOption('workloads');
  const extra = { group: 'argoproj.io', kind: 'Rollout', template: '/spec/template' };
  const settings = { ...JSON.parse(settingsWith({})), policy: { extra_workloads: [extra] } };
  await write(tab, 'settings', JSON.stringify(settings));
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  const { text } = await downloaded(tab, 'Download policy');
  assert.match(
    text,
    /# Add the resources of policy\.extra_workloads: Rollout \(argoproj\.io\)\.\n  rules:/,
  );
  await write(tab, 'settings', 'log_levle: info');
  await waitForSummary(tab, '1 error.');
  const button = tab.getByRole('button', { name: 'Download policy' });
  assert(await button.isDisabled());
  assert.match(await button.getAttribute('title'), /^Correct the settings first/);
});

test('downloads the policy with rules of version 2', async (context) => {
  const tab = await open(context);
  const button = tab.getByRole('button', { name: 'Download in v2' });
  assert(await button.isHidden(), 'the rules are of version 2');
  await tab.selectOption('#example', 'logfwd');
  const { name, text } = await downloaded(tab, 'Download in v2');
  assert.equal(name, 'datakit-injection-policy.yaml');
  const { spec } = parse(text);
  const converted = convertSettings(parse(await lines(tab, 'settings')));
  assert.deepEqual(spec.settings, converted.settings);
  assert.equal(spec.settings.admission_inject, undefined);
  assert.deepEqual(spec.matchConditions, conditions(converted.settings).conditions);
  assert.match(text, /\n  # version 2 gives the ddtrace init .*\n(  #.*\n)*  settings:\n/);
  await write(tab, 'settings', 'admission_inject: {x: 1}');
  await waitForSummary(tab, '1 error.');
  assert(await button.isHidden());
});

test('downloads the injected manifest with the comments of its author', async (context) => {
  const tab = await open(context);
  const { name, text } = await downloaded(tab, 'Download manifest');
  assert.equal(name, 'orders-injected.yaml');
  assert.match(text, /- name: app # a Java service\n/);
  const request = { operation: 'CREATE', namespace: 'shop' };
  const expected = async (object) =>
    mutate({ ...request, object }, parse(await lines(tab, 'settings'))).object;
  assert.deepEqual(parse(text), await expected(parse(await lines(tab, 'manifest'))));

  const flush = `${POD}---\n# the second\n${POD.replace('  - name: app', '  - &app\n    name: app')}`;
  const alias = `${POD}  initContainers: &list\n  - name: one\nother: *list\n`;
  const list = `apiVersion: v1\nkind: List\nitems:\n${POD.replace(/^/gm, '  ').replace('  ', '- ').trimEnd()}\n`;
  for (const [given, kept] of [
    [flush, /---\n# the second\n/],
    [alias, /^apiVersion: v1\n/],
    [list, /^apiVersion: v1\nkind: List\n/],
    [JSON.stringify(parse(POD)), /^apiVersion: v1\n/],
  ]) {
    await write(tab, 'manifest', given);
    await tab.locator('#diff .cm-line', { hasText: 'name: web' }).first().waitFor();
    const { text } = await downloaded(tab, 'Download manifest');
    assert.match(text, kept);
    const read = (texts) =>
      parseAllDocuments(texts).flatMap((document) => document.toJS().items ?? [document.toJS()]);
    const objects = await Promise.all(read(given).map(expected));
    assert.deepEqual(read(text), objects, given);
  }
});

test('wraps long lines', async (context) => {
  const tab = await open(context);
  await write(tab, 'settings', `# ${'long '.repeat(200)}\nadmission_inject_v2: {}\n`);
  await write(tab, 'manifest', `${POD}    command: [${'"word", '.repeat(100)}]\n`);
  for (const id of ['settings', 'manifest', 'diff']) {
    const scroller = tab.locator(`#${id} .cm-scroller`);
    assert(await scroller.evaluate((node) => node.scrollWidth <= node.clientWidth), id);
  }
});

test('keeps its state in the address', async (context) => {
  const tab = await open(context);
  await tab.waitForURL(/#state=/);
  await write(tab, 'manifest', POD);
  await tab.getByLabel('Namespace').fill('shop');
  await tab.getByLabel('Operation').selectOption('UPDATE');
  await tab.getByLabel('Inject into').selectOption('pods');
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  await tab.getByText('the pod template of this kind is immutable').waitFor();
  // The address follows a moment later.
  await tab.waitForTimeout(300);
  await tab.reload();
  await waitForSummary(tab, 'Nothing is injected.');
  assert.equal((await lines(tab, 'manifest')).trimEnd(), POD.trimEnd());
  assert.equal(await tab.getByLabel('Namespace').inputValue(), 'shop');
  assert.equal(await tab.getByLabel('Operation').inputValue(), 'UPDATE');
  assert.equal(await tab.getByLabel('Inject into').inputValue(), 'pods');
});

test('opens the link that it copies', async (context) => {
  const tab = await open(context);
  await tab.selectOption('#example', { label: 'Profiler for Python' });
  await tab.getByRole('button', { name: 'Copy link' }).click();
  await tab.getByText('Link copied.').waitFor();
  const link = await tab.evaluate(() => navigator.clipboard.readText());
  assert(link.startsWith(`${address}#state=`));
  const other = await open(context, { fragment: new URL(link).hash });
  assert.match(await summary(other), /^Injected: profiler-python\./);
  assert.equal(await lines(other, 'manifest'), await lines(tab, 'manifest'));
  assert.equal(await other.locator('#example').inputValue(), 'profilerPython');
  // A link of the first version: the packed settings and manifest alone.
  const first = `#q1YqTi0pycxLL1ayUlKqBQA`;
  for (const fragment of ['#nonsense', '#state=nonsense', '#lang=xx', first]) {
    const broken = await open(context, { fragment });
    assert.equal(await summary(broken), 'Injected: ddtrace-java.', fragment);
  }
  const packed = new URLSearchParams(new URL(link).hash.slice(1)).get('state');
  const old = await open(context, { fragment: `#${packed}` });
  assert.match(await summary(old), /^Injected: profiler-python\./);
});

test('drops what is too large for a link from the address', async (context) => {
  const tab = await open(context);
  await tab.waitForURL(/#state=/);
  await drop(tab, '#manifest', [['big.yaml', `${POD}# ${'x'.repeat(1024 * 1024 - 200)}`]]);
  await tab.getByText('Too large for a link.').waitFor();
  assert.equal(new URL(tab.url()).hash, '');
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
    const stored = { object: withoutRecord(object), mutated };
    assert.deepEqual(normalised(stored), normalised(expected), id);
  }
  context.diagnostic(`${answers.length} recorded answers hold in the browser`);
});

test('can be used with the keyboard alone', async (context) => {
  const tab = await open(context);
  const isFocused = (selector) =>
    tab.locator(selector).evaluate((node) => node === document.activeElement);
  await tab.locator('#settings .cm-content').focus();
  for (const selector of [
    '[data-opens="manifest"]',
    '#namespace',
    '#operation',
    '#mode',
    '#manifest .cm-content',
    '#download-manifest',
    '#tab-diff',
  ]) {
    await tab.keyboard.press('Tab');
    assert(await isFocused(selector), selector);
  }
  await tab.keyboard.press('ArrowRight');
  assert(await tab.locator('#patch').isVisible());
  await tab.keyboard.press('End');
  assert(await tab.locator('#explanation').isVisible());
  await tab.keyboard.press('ArrowRight');
  assert(await tab.locator('#diff').isVisible());
});

/** The places of the first lines of an editor, and of their numbers. */
const places = (tab, id) =>
  tab.locator(`#${id}`).evaluate((node) => {
    const tops = (selector) =>
      [...node.querySelectorAll(selector)].map((it) => Math.round(it.getBoundingClientRect().top));
    // The first element of a gutter is an invisible one that keeps its width.
    return [tops('.cm-line'), tops('.cm-lineNumbers .cm-gutterElement').slice(1)];
  });

test('has the result first on a phone, and line numbers beside their lines', async (context) => {
  const tab = await open(context, { viewport: { width: 360, height: 740 } });
  const top = async (selector) => (await tab.locator(selector).boundingBox()).y;
  assert((await top('#result')) < (await top('#settings-section')), 'the result is above');
  await tab.locator('#tab-diff').focus();
  await tab.keyboard.press('Tab');
  await tab.keyboard.press('Tab');
  const next = await tab.evaluate(() => document.activeElement.closest('section').id);
  assert.equal(next, 'settings-section', 'the focus follows');
  for (const example of ['start', 'profilerJava']) {
    await tab.selectOption('#example', example);
    for (const id of ['diff', 'settings', 'manifest']) {
      await tab.locator(`#${id}`).scrollIntoViewIfNeeded();
      await tab.waitForFunction(
        () => new Promise((done) => requestAnimationFrame(() => done(true))),
      );
      await tab.waitForTimeout(200);
      const [lines, numbers] = await places(tab, id);
      assert(lines.length > 5, id);
      assert.deepEqual(numbers.slice(0, lines.length), lines, `${example}: ${id}`);
    }
  }
  await tab.setViewportSize({ width: 1280, height: 800 });
  await tab.locator('#settings-section + #manifest-section + #result').waitFor();
});

test('speaks the language of the browser, or the chosen one', async (context) => {
  for (const [tag, language] of [
    ['zh-CN', 'zh'],
    ['zh', 'zh'],
    ['ZH-hans', 'zh'],
    ['en-GB', 'en'],
    ['de', 'en'],
    ['zhx', 'en'],
  ]) {
    assert.equal(preferred(tag), language, tag);
  }
  const lang = (tab) => tab.evaluate(() => document.documentElement.lang);
  const tab = await open(context, { locale: 'zh-CN' });
  assert.equal(await lang(tab), 'zh-CN');
  assert.equal(await tab.title(), 'Datakit 注入演练场');
  assert.equal(await summary(tab), '已注入：ddtrace-java。');
  await tab.waitForURL(/#state=/);
  await write(tab, 'settings', 'log_levle: info\n');
  await waitForSummary(tab, '没有注入任何内容。1 个错误。1 条提示。');
  const problems = await tab.locator('#settings-problems').innerText();
  assert.match(problems, /^第 1 行：log_levle：未知的键；是否应为 `log_level`？/);
  assert.match(problems, /第 1 行，提示：没有规则：永远不会注入任何内容/);
  assert.equal(await tab.getByRole('textbox', { name: '清单，YAML 或 JSON 格式' }).count(), 1);
  await tab.getByRole('tab', { name: '说明' }).click();
  const explanation = await tab.locator('#explanation').innerText();
  assert.match(explanation, /命名空间 shop，取自输入框/);
  assert.match(explanation, /无需处理：没有规则或注解要求注入/);
  assert.match(explanation, /按 1\.5 版读取：配置中没有 admission_inject_v2/);

  const asked = settingsWith({ check_annotation: true });
  const annotation = 'admission.datakit/java-lib.version: no tag';
  await write(tab, 'settings', `kind: AdmissionPolicy\nspec:\n  settings: ${asked}\n`);
  await write(tab, 'manifest', POD.replace('name: web', `annotations: {${annotation}}`));
  await tab.getByText('来源：策略的设置。').waitFor();
  await tab.getByText('ddtrace-java 未注入到 Pod：注解').waitFor();
  await tab.getByText('已跳过 ddtrace-java：注解').waitFor();
  await write(tab, 'settings', 'log_levle: info\n');
  await waitForSummary(tab, '1 个错误。1 条提示。');

  await tab.getByLabel('语言').selectOption('English');
  await waitForSummary(tab, 'Nothing is injected. 1 error. 1 note.');
  assert.equal(await lang(tab), 'en');
  await tab.waitForURL(/#lang=en&state=/);
  await tab.reload();
  await waitForSummary(tab, 'Nothing is injected. 1 error. 1 note.');
  const chosen = await open(context, { fragment: '#lang=zh' });
  assert.equal(await lang(chosen), 'zh-CN');
  await chosen.waitForURL(/#lang=zh&state=/);
});

test('has every text in every language', () => {
  const shape = (value) =>
    typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([key, of]) => [key, shape(of)]))
      : [typeof value, value.length > 0];
  assert.deepEqual(shape(texts.zh), shape(texts.en));
  const html = readFileSync(new URL('../src/index.html', import.meta.url), 'utf8');
  for (const [, key] of html.matchAll(/data-(?:text|label|title)="(\w+)"/g)) {
    assert.equal(typeof texts.en[key], 'string', key);
  }
});

test('links to documents that are there', async (context) => {
  for (const [language, locale] of Object.entries({ en: 'en-US', zh: 'zh-CN' })) {
    const tab = await open(context, { locale });
    const nav = tab.locator('#documents');
    const links = await nav.getByRole('link').evaluateAll((nodes) => nodes.map(({ href }) => href));
    assert.deepEqual(links, Object.values(documents[language]));
    for (const link of links) {
      const [, path] = link.split('/blob/main/');
      assert(existsSync(new URL(`../../${path}`, import.meta.url)), path);
    }
  }
});

for (const [name, options] of Object.entries({
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
  tablet: { colorScheme: 'dark', viewport: { width: 768, height: 1024 } },
  Chinese: { colorScheme: 'light', locale: 'zh-CN' },
})) {
  test(`is accessible: ${name}`, async (context) => {
    const tab = await open(context, { ...options, bypassCSP: true });
    await write(tab, 'settings', 'log_levle: info\n');
    await tab.locator('#settings-problems .error').waitFor();
    await tab.addScriptTag({ path: AXE });
    for (const panel of ['diff', 'patch', 'explanation']) {
      for (const example of ['start', 'logfwd']) {
        await tab.locator(`#tab-${panel}`).click();
        const { violations } = await tab.evaluate(() => globalThis.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
        assert.deepEqual(found, [], `${panel}, ${example}`);
        await tab.selectOption('#example', example);
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
