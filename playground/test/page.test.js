// The page in a real browser.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { conditions, convertSettings, mutate } from 'datakit-injection';
import { parse, parseAllDocuments } from 'yaml';
import { KINDS, normalised, recorded, withoutRecord, wrapped } from '../../npm/test/recorded.js';
import { builder, serve } from '../build.js';
import { readManifests } from '../src/documents.js';
import schemaInChinese from '../src/schema-zh.js';
import { documents, preferred, texts } from '../src/texts.js';
import { CODES } from '../src/yaml-errors.js';
import { launch } from './browser.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const SCREENSHOT = fileURLToPath(new URL('../../docs/playground.png', import.meta.url));

let page;
let browser;
let address;

before(async () => {
  page = await builder();
  await page.rebuild();
  address = await serve(page, 0);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await page?.dispose();
});

/** Opens the page; any error in it, and any request to elsewhere, fails the test. */
async function open(context, { fragment = '', ...options } = {}) {
  const session = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  session.setDefaultTimeout(30_000);
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
  assert.equal(await tab.getByLabel('Inject into').inputValue(), 'pods', 'as `convert` has it');
  const added = await tab.locator('#diff .cm-changedLine').allInnerTexts();
  assert(
    added.some((line) => line.includes('datakit-lib-init')),
    added.join('\n'),
  );
  await tab.getByRole('tab', { name: 'Patch' }).click();
  const patch = JSON.parse(await tab.locator('#patch').innerText());
  assert(patch.some(({ path }) => path === '/spec/initContainers'));
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
  await waitForSummary(tab, 'Nothing is injected: this kind has no known pod template;');
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
  await waitForSummary(tab, 'Nothing is injected: ddtrace-java: annotation ');
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

test('notes what is probably a mistake, beside the errors', async (context) => {
  const tab = await open(context);
  const problems = tab.locator('#settings-problems button');
  const rule =
    '  - {language: java, namespace_selectors: ["*"], image: "a/b:1", envs: {DD_AGENT_HOST: d}}\n';
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
  await waitForSummary(tab, 'Nothing is injected: no rule selects namespace other.');
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
  await tab.getByLabel('Inject into').selectOption('workloads');
  const injected = await downloaded(tab, 'Download result');
  await write(tab, 'manifest', injected.text);
  await write(tab, 'settings', settingsWith({ namespace_selectors: ['^other$'] }));
  await tab.getByLabel('Operation').selectOption('UPDATE');
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  const explanation = tab.locator('#explanation');
  await explanation.getByText('removed ddtrace-java: nothing asks for it any more').waitFor();
  await explanation.getByText('Taken as an update that changes the pod template.').waitFor();

  await tab.selectOption('#example', 'start');
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  assert.match(await explanation.innerText(), /^Pod\/orders-/);
  await tab.getByRole('tab', { name: 'Difference' }).click();
  const { name, text } = await downloaded(tab, 'Download result');
  assert.equal(name, 'orders-injected.yaml');
  const pod = parse(text);
  assert.equal(pod.kind, 'Pod');
  assert.equal(pod.metadata.annotations, undefined, 'Pods have no record');
  assert.equal(pod.spec.initContainers[0].name, 'datakit-lib-init');
  await tab.getByLabel('Operation').selectOption('UPDATE');
  await waitForSummary(tab, 'Nothing is injected: the pod template of this kind is immutable.');

  await tab.getByLabel('Operation').selectOption('CREATE');
  const job = `apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers: [{name: app}]\n`;
  await write(tab, 'manifest', job);
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  await explanation.getByText('Pod/nightly-').waitFor();
  await tab.getByRole('tab', { name: 'Difference' }).click();
  const owned = parse((await downloaded(tab, 'Download result')).text);
  assert.equal(owned.metadata.ownerReferences[0].kind, 'Job');
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  await write(tab, 'manifest', 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\n');
  await explanation.getByText('Service/web').waitFor();
});

test('says in the summary why nothing is injected', async (context) => {
  const tab = await open(context);
  const rule = (of) => settingsWith({ namespace_selectors: [], ...of });
  const [other, labels] = [{ namespace_selectors: ['^other$'] }, { label_selectors: ['app=x'] }];
  const lists = JSON.parse(rule(other));
  lists.admission_inject_v2.ddtraces.push(JSON.parse(rule(labels)).admission_inject_v2.ddtraces[0]);
  const annotated = rule({ namespace_selectors: ['*'], check_annotation: true });
  for (const [settings, reason] of [
    [rule(other), 'no rule selects namespace shop'],
    [rule(labels), 'no rule selects the labels of Pod/web'],
    [JSON.stringify(lists), 'no rule selects Pod/web in namespace shop'],
    [rule({}), 'ddtrace: has no selectors'],
    [annotated, 'ddtrace: annotation admission.datakit/java-lib.version is not set'],
    ['log_level: info', 'the settings have no rules'],
    ['a: [', 'the settings cannot be read'],
    [
      rule({ namespace_selectors: ['*'], image: '' }),
      'ddtrace: the matching rule is invalid: admission_inject_v2.ddtraces[0].image',
    ],
  ]) {
    await write(tab, 'manifest', POD);
    await write(tab, 'settings', settings);
    await waitForSummary(tab, `Nothing is injected: ${reason}.`);
  }
  await write(tab, 'settings', rule({ namespace_selectors: ['^shop$'] }));
  await waitForSummary(tab, 'Injected: ddtrace-java.');
  const elsewhere = POD.replace('name: web', 'namespace: other');
  await write(tab, 'manifest', `${elsewhere}---\nkind: Service\napiVersion: v1\n`);
  await waitForSummary(tab, 'Nothing is injected: see the explanation.');
  await write(tab, 'manifest', '');
  await waitForSummary(tab, /^Nothing is injected\. 1 note\.$/);
});

test('leads from the explanation to the line of a rule', async (context) => {
  const tab = await open(context);
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  const active = tab.locator('#settings .cm-activeLine');
  const links = tab.locator('#explanation').getByRole('button', { name: /ddtraces\[0\] line 3$/ });
  assert.equal(await links.count(), 2, 'of what was done, and of what was considered');
  await links.first().click();
  assert.match(await active.innerText(), /- language: java/);
  assert(
    await tab.locator('#settings .cm-content').evaluate((it) => it === document.activeElement),
  );

  const rules = '   - {language: php, namespace_selectors: [x], image: "a/b:1"}\n'.repeat(40);
  const policy = `kind: AdmissionPolicy\nspec:\n settings:\n  admission_inject_v2:\n   ddtraces:\n${rules}`;
  await write(tab, 'settings', policy);
  await tab.getByRole('button', { name: /ddtraces\[39\] line 45$/ }).click();
  assert.match(await active.innerText(), /language: php/);
  assert(await active.isVisible(), 'it is scrolled to');
  // Inside a string there is no line of the rule: its line is the string's.
  const config = settingsWith({ namespace_selectors: ['^other$'] });
  await write(tab, 'settings', `kind: ConfigMap\ndata:\n  config: '${config}'\n`);
  await tab.getByRole('button', { name: /ddtraces\[0\] line 3$/ }).waitFor();
});

test('folds the record into one line', async (context) => {
  const tab = await open(context);
  await tab.getByLabel('Inject into').selectOption('workloads');
  const record = tab.locator('#diff .cm-line', { hasText: 'admission.datakit/injected' });
  await record.waitFor();
  assert.match(await record.innerText(), /^ *admission\.datakit\/injected: '\{"v":1…\}'$/);
  const height = async (of) => (await of.boundingBox()).height;
  assert.equal(await height(record), await height(tab.locator('#diff .cm-line').first()));
  const { text } = await downloaded(tab, 'Download result');
  assert.match(text, /"ddtrace-java":/, 'what is downloaded is whole');
  await tab.getByRole('button', { name: 'Show the whole record of what was injected' }).click();
  assert.match(await record.innerText(), /"ddtrace-java":/);
  const own = JSON.stringify({ ...JSON.parse(settingsWith({})), policy: { id: 'b' } });
  await write(tab, 'settings', own);
  await record.filter({ hasText: `admission.datakit/injected.b: '{"v":1…}'` }).waitFor();
});

test('completes keys and values of settings', async (context) => {
  const tab = await open(context);
  const list = tab.locator('.cm-tooltip-autocomplete');
  const options = async () => (await list.locator('.cm-completionLabel').allInnerTexts()).sort();
  const type = async (text) => {
    await list.waitFor({ state: 'detached' });
    await tab.keyboard.type(text, { delay: 20 });
  };
  await write(tab, 'settings', '');
  await type('admission_');
  await list.waitFor();
  assert.deepEqual(await options(), [
    'admission_inject',
    'admission_inject_v2',
    'admission_mutate',
  ]);
  await tab.keyboard.type('inject_v2');
  await tab.locator('.cm-completionInfo', { hasText: 'lists of rules' }).waitFor();
  await tab.waitForTimeout(100);
  await tab.keyboard.press('Enter');
  await type('ddt');
  await list.waitFor();
  await tab.waitForTimeout(100);
  await tab.keyboard.press('Enter');
  await type('lan');
  await list.waitFor();
  await tab.waitForTimeout(100);
  await tab.keyboard.press('Enter');
  // The values follow.
  await list.getByText('python').waitFor();
  assert.deepEqual(await options(), ['java', 'js', 'nodejs', 'php', 'python']);
  await tab.waitForTimeout(100);
  await tab.keyboard.press('Enter');
  const written = 'admission_inject_v2:\n  ddtraces:\n    - language: java';
  assert.equal((await lines(tab, 'settings')).trim(), written);
  assert.equal(await tab.locator('#settings-problems').innerText(), '');

  const offered = async (text, back = 0) => {
    await tab.keyboard.press('Escape');
    await write(tab, 'settings', text);
    for (let step = 0; step < back; step += 1) await tab.keyboard.press('ArrowLeft');
    await tab.keyboard.press('Control+Space');
    await list.waitFor({ timeout: 2000 }).catch(() => {});
    return options();
  };
  const keys = await offered(`${written}\n      `);
  assert(keys.includes('image') && !keys.includes('language'), 'no key twice');
  for (const [text, back, expected] of [
    ['policy: {safe_to_evict: , qos_class: ""}', 16, ['false', 'true']],
    ['policy: {safe_to_evict: }', 1, ['false', 'true']],
    ['{"policy": {"qos_class": ""}}', 3, ['ignore', 'preserve']],
    ['{"log_lev": ""}', 6, ['log_level']],
    [
      'kind: AdmissionPolicy\nspec:\n  settings:\n    log_level: ',
      0,
      ['debug', 'error', 'info', 'warn'],
    ],
    ['kind: AdmissionPolicy\nspec:\n  ', 0, []],
    ['log_level: info # ', 0, []],
    ['envs:\n  X: ', 0, []],
  ]) {
    assert.deepEqual(await offered(text, back), expected, text);
  }
});

test('tells about the key under the pointer', async (context) => {
  const tab = await open(context);
  const over = (text) => tab.locator('#settings .cm-line span', { hasText: text }).first();
  const about = tab.locator('.about-key');
  await over('namespace_selectors').hover();
  await about.getByText('Regular expressions, searched anywhere in the namespace').waitFor();
  await over('language').hover();
  await about.getByText('One of java, python, nodejs, js, php').waitFor();
  await write(tab, 'settings', 'policy:\n  pod_security: ignore\n');
  await over('pod_security').hover();
  await about.getByText('Default: respect').waitFor();
  await tab.mouse.move(0, 0);
  await tab.getByLabel('Language').selectOption('中文');
  await over('pod_security').hover();
  await about.getByText('默认值：respect').waitFor();
  assert.match(await about.innerText(), /^符合 Pod 安全性标准 restricted 级别/);
});

test('has the Chinese of every description of the schema', () => {
  const described = new Set();
  const walk = (value, key) => {
    if (key === 'description' && typeof value === 'string') described.add(value);
    else if (value !== null && typeof value === 'object') {
      for (const [inner, of] of Object.entries(value)) walk(of, inner);
    }
  };
  const schema = new URL('../../settings.schema.json', import.meta.url);
  walk(JSON.parse(readFileSync(schema, 'utf8')));
  assert.deepEqual(Object.keys(schemaInChinese).sort(), [...described].sort());
});

test('has the Chinese of every error of the YAML parser', () => {
  const types = createRequire(import.meta.url)
    .resolve('yaml')
    .replace(/index\.js$/, 'errors.d.ts');
  const [, union] = /type ErrorCode = ([^;]+);/.exec(readFileSync(types, 'utf8'));
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
  assert(codes.length > 20);
  assert.deepEqual(Object.keys(CODES).sort(), codes.sort());
  for (const [text, expected] of [
    ['a: [1', '缺少右括号“]”，或缩进不足'],
    ['{a: 1', '缺少右括号“}”'],
    ['a: "x', '缺少右引号（"）'],
    ['a: @x', '值不能以“@”开头：请加上引号'],
    ['a:\n\tb: 1', '不能用制表符缩进：请改用空格'],
    ['a: 1\na: 2', '键重复'],
    ['a: b: c', '一行内不能嵌套映射：请为值加上引号，或另起一行'],
    ['a: *b', '没有与别名 b 对应的锚点'],
  ]) {
    const [error] = readManifests(text, 'zh').errors;
    assert.equal(error.message, expected, text);
    assert.doesNotMatch(readManifests(text, 'en').errors[0].message, /\p{Script=Han}/u);
  }
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
  await waitForSummary(tab, /^Injected: ddtrace-php\. 1 note\.$/);
  await drop(tab, '#manifest', [['picture.png', '\0PNG']]);
  await tab.getByText('picture.png is not a text file.').waitFor();
  await drop(tab, '#manifest', [['big.yaml', '#'.repeat(1024 * 1024 + 1)]]);
  await tab.getByText('big.yaml is larger than 1 MiB.').waitFor();
  await drop(tab, 'header', [['elsewhere.yaml', 'kind: Pod']]);
  assert.equal((await lines(tab, 'manifest')).trimEnd(), POD.trimEnd());
  await waitForSummary(tab, 'Injected: ddtrace-php.');
});

test('shows the policy that would be deployed', async (context) => {
  const tab = await open(context);
  await tab.getByRole('tab', { name: 'Policy' }).click();
  const passing = tab.locator('#passing');
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
    const compiled = conditions(settings, mode);
    assert.deepEqual(policy.spec.matchConditions, compiled.conditions);
    assert.deepEqual(Object.keys(policy.spec).slice(-2), ['matchConditions', 'settings']);
    assert.doesNotMatch(text, /keep the two alike|default configuration/);
    assert.match(text, /These requests pass:\n(  #   .*\n)*  #   ddtrace: namespaces \^shop\$\n/);
    assert.deepEqual(await passing.getByRole('listitem').allInnerTexts(), compiled.words);
    const first = await lines(tab, 'policy-manifest');
    assert.equal(first.split('\n')[0], text.split('\n')[0], 'the panel shows what is downloaded');
  }
  await tab.getByLabel('Inject into').selectOption('workloads');
  const extra = { group: 'argoproj.io', kind: 'Rollout', template: '/spec/template' };
  const settings = { ...JSON.parse(settingsWith({})), policy: { extra_workloads: [extra] } };
  await write(tab, 'settings', JSON.stringify(settings));
  await passing.getByText('ddtrace: namespaces *').waitFor();
  const { text } = await downloaded(tab, 'Download policy');
  assert.match(
    text,
    /# Add the resources of policy\.extra_workloads: Rollout \(argoproj\.io\)\.\n  rules:/,
  );
  await write(tab, 'settings', 'log_levle: info');
  await passing.getByText('Correct the settings first').waitFor();
  assert(await tab.locator('#policy-manifest').isHidden());
  for (const name of ['Download policy', 'Copy policy']) {
    assert(await tab.getByRole('button', { name }).isDisabled(), name);
  }
});

test('converts the rules of the policy to version 2', async (context) => {
  const tab = await open(context);
  await tab.getByRole('tab', { name: 'Policy' }).click();
  const toggle = tab.getByLabel('with rules of admission_inject_v2');
  assert(await toggle.isHidden(), 'the rules are of version 2');
  await tab.selectOption('#example', 'logfwd');
  const older = parse((await downloaded(tab, 'Download policy')).text);
  assert.notEqual(older.spec.settings.admission_inject, undefined);
  await toggle.check();
  const { name, text } = await downloaded(tab, 'Download policy');
  assert.equal(name, 'datakit-injection-policy.yaml');
  const { spec } = parse(text);
  const converted = convertSettings(parse(await lines(tab, 'settings')));
  assert.deepEqual(spec.settings, converted.settings);
  assert.equal(spec.settings.admission_inject, undefined);
  assert.deepEqual(spec.matchConditions, conditions(converted.settings, 'pods').conditions);
  assert.match(text, /\n  # version 2 gives the ddtrace init .*\n(  #.*\n)*  settings:\n/);
  await tab.locator('#passing').getByText('version 2 gives the ddtrace init').waitFor();
  await write(tab, 'settings', 'admission_inject: {x: 1}');
  await waitForSummary(tab, '1 error.');
  assert(await toggle.isHidden());
});

test('copies what it shows', async (context) => {
  const tab = await open(context);
  const copied = async (name) => {
    await tab.getByRole('button', { name }).click();
    await tab.getByText('Copied.').waitFor();
    return tab.evaluate(() => navigator.clipboard.readText());
  };
  assert.match(await copied('Copy settings'), /^admission_inject_v2:\n.*\n    - language: java\n/);
  assert.match(await copied('Copy manifest'), /^apiVersion: apps\/v1\nkind: Deployment\n/);
  assert.equal(parse(await copied('Copy result')).spec.initContainers[0].name, 'datakit-lib-init');
  await tab.getByRole('tab', { name: 'Patch' }).click();
  assert(JSON.parse(await copied('Copy patch')).length > 0);
  const { name, text } = await downloaded(tab, 'Download patch');
  assert.equal(name, 'orders-patch.json');
  assert.equal(text, await copied('Copy patch'));
  await tab.getByRole('tab', { name: 'Explanation' }).click();
  assert.match(
    await copied('Copy explanation'),
    /^Pod\/orders-\n+injected ddtrace-java: by admission/,
  );
  assert(await tab.locator('#download').isHidden(), 'an explanation is no file');
  await tab.getByRole('tab', { name: 'Policy' }).click();
  assert.equal(parse(await copied('Copy policy')).kind, 'ClusterAdmissionPolicy');
  await write(tab, 'manifest', POD);
  await tab.getByText('Copied.').waitFor({ state: 'detached' });
  await tab.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error('refused'));
  });
  await tab.getByRole('button', { name: 'Copy settings' }).click();
  await tab.getByText('The browser does not let this page copy.').waitFor();
});

test('downloads the injected manifest with the comments of its author', async (context) => {
  const tab = await open(context);
  await tab.getByLabel('Inject into').selectOption('workloads');
  const { name, text } = await downloaded(tab, 'Download result');
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
    const { text } = await downloaded(tab, 'Download result');
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
  await tab.getByLabel('Inject into').selectOption('workloads');
  await waitForSummary(tab, 'Nothing is injected: the pod template of this kind is immutable.');
  // The address follows a moment later.
  await tab.waitForTimeout(300);
  await tab.reload();
  await waitForSummary(tab, 'Nothing is injected: the pod template of this kind is immutable.');
  assert.equal((await lines(tab, 'manifest')).trimEnd(), POD.trimEnd());
  assert.equal(await tab.getByLabel('Namespace').inputValue(), 'shop');
  assert.equal(await tab.getByLabel('Operation').inputValue(), 'UPDATE');
  assert.equal(await tab.getByLabel('Inject into').inputValue(), 'workloads');
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
    '#namespace',
    '#operation',
    '[data-opens="manifest"]',
    '[data-copies="manifest"]',
    '#manifest .cm-content',
    '#tab-diff',
  ]) {
    await tab.keyboard.press('Tab');
    assert(await isFocused(selector), selector);
  }
  await tab.keyboard.press('ArrowRight');
  assert(await tab.locator('#patch').isVisible());
  await tab.keyboard.press('End');
  assert(await tab.locator('#policy').isVisible());
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
  for (let stop = 0; stop < 4; stop += 1) await tab.keyboard.press('Tab');
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
  await waitForSummary(tab, '没有注入任何内容：设置中没有规则。1 个错误。1 条提示。');
  const problems = await tab.locator('#settings-problems').innerText();
  assert.match(problems, /^第 1 行：log_levle：未知的键；是否应为 `log_level`？/);
  assert.match(problems, /第 1 行，提示：没有规则：永远不会注入任何内容/);
  assert.equal(await tab.getByRole('textbox', { name: '清单，YAML 或 JSON 格式' }).count(), 1);
  await tab.getByRole('tab', { name: '说明' }).click();
  const explanation = await tab.locator('#explanation').innerText();
  assert.match(explanation, /命名空间 shop，取自输入框/);
  assert.match(explanation, /无需处理：没有规则或注解要求注入/);
  assert.match(explanation, /按 1\.5 版读取：配置中没有 admission_inject_v2/);
  await write(tab, 'settings', 'a: [');
  await tab.getByText(/^第 1 行：缺少右括号/).waitFor();
  await write(tab, 'manifest', 'a: 1\na: 2\n');
  await tab.getByText('第 2 行：键重复').waitFor();

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
  await waitForSummary(tab, 'Nothing is injected: the settings have no rules. 1 error. 1 note.');
  assert.equal(await lang(tab), 'en');
  await tab.waitForURL(/#lang=en&state=/);
  await tab.reload();
  await waitForSummary(tab, 'Nothing is injected: the settings have no rules. 1 error. 1 note.');
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
    for (const panel of ['diff', 'patch', 'explanation', 'policy']) {
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
