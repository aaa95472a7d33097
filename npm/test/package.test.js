import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import ts from 'typescript';
import {
  checkSettings,
  conditions,
  convertSettings,
  mutate,
  notes,
  uninject,
  validateSettings,
} from 'datakit-injection';
import { listener } from '../example/webhook.js';
import { KINDS, normalised, recorded, withoutRecord, wrapped } from './recorded.js';

const settings = {
  admission_inject_v2: {
    ddtraces: [
      {
        namespace_selectors: ['*'],
        language: 'java',
        image: 'registry.example/dd:v1',
        envs: { DD_AGENT_HOST: 'datakit' },
      },
    ],
  },
};

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

const create = /** @type {const} */ ({ operation: 'CREATE', namespace: 'default', object: pod });

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { template: { metadata: { labels: { app: 'web' } }, spec: pod.spec } },
};

/**
 * The members of an interface of index.d.ts; true for those that may be absent.
 *
 * @param {string} name
 * @returns {Record<string, boolean>}
 */
function members(name) {
  const text = readFileSync(new URL('../index.d.ts', import.meta.url), 'utf8');
  const source = ts.createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest);
  const found = source.statements
    .filter(ts.isInterfaceDeclaration)
    .find((it) => it.name.text === name);
  assert(found, name);
  const parents = (found.heritageClauses ?? []).flatMap(({ types }) =>
    types.flatMap(({ expression }) => Object.entries(members(expression.getText(source)))),
  );
  const own = found.members.filter(ts.isPropertySignature);
  const entries = own.map((it) => [it.name.getText(source), it.questionToken !== undefined]);
  return Object.fromEntries([...parents, ...entries]);
}

/**
 * Asserts that a value has the keys that its type says.
 *
 * @param {object} value
 * @param {string} name
 */
function hasKeysOf(value, name) {
  const optional = members(name);
  const required = Object.keys(optional).filter((key) => !optional[key]);
  const given = Object.keys(value).filter((key) => !optional[key]);
  assert.deepEqual(given.sort(), required.sort(), name);
}

/**
 * Applies the operations that patches of the policy hold.
 *
 * @param {any} object
 * @param {import('../index.d.ts').Operation[]} patch
 */
function patched(object, patch) {
  const result = structuredClone(object);
  for (const operation of patch) {
    const keys = operation.path.split('/').slice(1);
    const names = keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = names.pop() ?? '';
    const parent = names.reduce((value, name) => value[name], result);
    if (operation.op === 'add' && Array.isArray(parent)) {
      parent.splice(last === '-' ? parent.length : Number(last), 0, operation.value);
    } else if (operation.op === 'add' || operation.op === 'replace') {
      parent[last] = operation.value;
    } else if (operation.op === 'remove' && Array.isArray(parent)) {
      parent.splice(Number(last), 1);
    } else if (operation.op === 'remove') {
      delete parent[last];
    } else {
      assert.fail(`unexpected ${operation.op}`);
    }
  }
  return result;
}

test('answers what the reference answered', (context) => {
  let count = 0;
  for (const { id, settings, namespace, object, expected, mutated } of recorded()) {
    for (const kind of KINDS) {
      const operation = /** @type {const} */ ('CREATE');
      const request = { operation, namespace, object: wrapped(object, kind) };
      const mutation = mutate(request, settings);
      assert(mutation.ok, id);
      const what = `${id} as ${kind}`;
      const stored = normalised(withoutRecord(mutation.object));
      assert.deepEqual(stored, normalised(wrapped(expected, kind)), what);
      assert.equal(mutation.mutated, mutated, what);
      assert.deepEqual(patched(request.object, mutation.patch), mutation.object, what);
      count += 1;
    }
  }
  context.diagnostic(`${count} recorded answers hold in Node`);
});

test('explains what it did', () => {
  const mutation = mutate(create, settings);
  assert(mutation.ok);
  assert.deepEqual(mutation.auditAnnotations, { injected: 'ddtrace-java' });
  assert.equal(mutation.explanation.namespace, 'default');
  assert.equal(mutation.explanation.steps[0]?.code, 'selects');
  assert.deepEqual(mutation.explanation.injected, [
    { injection: 'ddtrace-java', rule: 'admission_inject_v2.ddtraces[0]' },
  ]);
});

test('answers with the keys of its types', () => {
  const mutation = mutate(create, settings);
  assert(mutation.ok);
  hasKeysOf(mutation, 'Mutation');
  hasKeysOf(mutation.explanation, 'Explanation');
  hasKeysOf(mutation.explanation.steps[0] ?? {}, 'Step');
  const idle = mutate(create, {});
  assert(idle.ok);
  hasKeysOf(idle.explanation, 'Explanation');
  hasKeysOf(idle.explanation.reason ?? {}, 'Reason');
  for (const value of [settings, {}, 1, 1n]) hasKeysOf(validateSettings(value), 'Validation');
  hasKeysOf(validateSettings({}).notes[0] ?? {}, 'Note');
  const checked = checkSettings([settings]);
  assert(checked.ok);
  hasKeysOf(checked, 'Checked');
  const failed = mutate(/** @type {any} */ (null), settings);
  hasKeysOf(failed, 'Failed');
  assert(!failed.ok);
  hasKeysOf(failed.errors[0] ?? {}, 'Failure');
  const compiled = conditions(settings);
  assert(compiled.ok);
  hasKeysOf(compiled.conditions[0] ?? {}, 'Condition');
});

test('gives the object back where nothing is asked for', () => {
  const mutation = mutate(create, {});
  assert(mutation.ok);
  assert.deepEqual(mutation.object, pod);
  assert.deepEqual(mutation.patch, []);
  assert.equal(mutation.explanation.reason?.code, 'nothing-asked');
});

test('finds every error of settings', () => {
  const release = 'read as release 1.8: ';
  const checked = validateSettings(settings);
  assert.deepEqual({ ...checked, release }, { valid: true, errors: [], notes: [], release });
  assert(checked.release?.startsWith(release), checked.release ?? 'no release');
  const { valid, errors } = validateSettings({ log_levle: 'info', admission_inject_v2: 1 });
  assert.equal(valid, false);
  assert.deepEqual(
    errors.map(({ code, path }) => `${code} ${path}`),
    ['invalid-settings log_levle', 'invalid-settings admission_inject_v2'],
  );
});

test('finds settings in documents', () => {
  const rule = { language: 'jva', namespace_selectors: ['*'] };
  const config = { admission_inject_v2: { ddtraces: [rule] } };
  const map = { kind: 'ConfigMap', data: { 'a/b.json': JSON.stringify(config) } };
  const policy = { kind: 'ClusterAdmissionPolicy', spec: { settings: config } };
  const list = { kind: 'List', items: [{ kind: 'Service' }, map] };
  for (const [documents, source, readAs, document, place] of /** @type {any[]} */ ([
    [[config], 'configuration', 'a plain configuration', 0, ''],
    [[{ kind: 'Service' }, map], 'config-map', /ConfigMap, document 2 of 2$/, 1, '/data/a~1b.json'],
    [[list], 'config-map', /ConfigMap, item 2 of a List$/, 0, '/items/1/data/a~1b.json'],
    [[{ a: [config] }], 'chart-values', 'values of a chart', 0, '/a/0'],
    [[policy], 'policy', 'the settings of a policy', 0, '/spec/settings'],
  ])) {
    const checked = checkSettings(documents);
    assert(checked.ok);
    assert.deepEqual(checked.settings, config);
    assert.deepEqual([checked.source, checked.document, checked.place], [source, document, place]);
    assert.match(checked.readAs, new RegExp(readAs));
    assert.equal(checked.errors[0]?.path, 'admission_inject_v2.ddtraces[0].language');
  }
  const broken = checkSettings([{ kind: 'ConfigMap', data: { config: '{"admission_a":' } }]);
  assert(broken.ok && broken.settings === null && !broken.valid);
  for (const [documents, code, message] of /** @type {any[]} */ ([
    [[], 'invalid-settings', /^is empty$/],
    [[config, map], 'invalid-settings', /^holds 2 configurations/],
    [[{ kind: 'Service' }], 'invalid-settings', /^is a Service, not settings/],
    [null, 'invalid-request', /^cannot be read/],
  ])) {
    const failed = checkSettings(documents);
    assert(!failed.ok);
    assert.equal(failed.errors[0]?.code, code);
    assert.match(failed.errors[0]?.message ?? '', message);
  }
});

test('speaks Chinese', () => {
  const faulty = { log_level: 'inof' };
  const message = '未知的日志级别 `inof`；是否应为 `info`？';
  for (const { errors } of /** @type {any[]} */ ([
    validateSettings(faulty, 'zh'),
    checkSettings([faulty], 'zh'),
    conditions(faulty, null, 'zh'),
  ])) {
    assert.deepEqual(errors, [{ code: 'invalid-settings', path: 'log_level', message }]);
  }
  const noted = notes({}, 'zh');
  assert(noted.ok);
  assert.equal(noted.notes[0]?.message, '没有规则：永远不会注入任何内容');
  const failed = uninject(/** @type {any} */ (null), settings, null, 'zh');
  assert(!failed.ok);
  assert.equal(failed.errors[0]?.message, '应为对象，实际为 null');

  const metadata = { name: 'web', annotations: { 'admission.datakit/java-lib.version': 'no tag' } };
  const asked = structuredClone(settings);
  Object.assign(asked.admission_inject_v2.ddtraces[0] ?? {}, { check_annotation: true });
  const request = { ...create, object: { ...pod, metadata } };
  const [chinese, english] = [mutate(request, asked, 'zh'), mutate(request, asked)];
  assert(chinese.ok && english.ok);
  const { warnings, skipped, steps, release } = chinese.explanation;
  assert.match(warnings[0] ?? '', /^ddtrace-java 未注入到 Pod\/web：注解 .* 的值不是镜像 tag；请/);
  assert.match(skipped[0]?.reason ?? '', /的值不是镜像 tag$/);
  assert.equal(release, '按 1.8 版读取：配置中有 admission_inject_v2');
  assert.equal(steps[0]?.message, '匹配');
  const codes = (/** @type {typeof chinese} */ { explanation }) =>
    explanation.steps.map(({ code, rule, injection }) => ({ code, rule, injection }));
  assert.deepEqual(codes(chinese), codes(english));
  // What the policy answers is the same for everybody.
  assert.deepEqual(chinese.warnings, english.warnings);
  assert.deepEqual(chinese.auditAnnotations, english.auditAnnotations);
  assert.deepEqual(mutate(request, asked, 'en'), english);
  assert.deepEqual(mutate(request, asked, null), english);
});

test('notes what is valid, but probably a mistake', () => {
  const nothing = { path: '', message: 'there are no rules: nothing is ever injected' };
  const [rule] = settings.admission_inject_v2.ddtraces;
  const again = { admission_inject_v2: { ddtraces: [rule, rule] } };
  for (const [given, expected] of /** @type {[unknown, { path: string }[]][]} */ ([
    [settings, []],
    [undefined, [nothing]],
    [{}, [nothing]],
    [
      again,
      [
        {
          path: 'admission_inject_v2.ddtraces[1]',
          message: 'is never used: admission_inject_v2.ddtraces[0] always comes first',
        },
      ],
    ],
  ])) {
    assert.deepEqual(notes(given), { ok: true, notes: expected });
    assert.deepEqual(validateSettings(given).notes, expected);
  }
  const failed = notes({ big: 1n });
  assert(!failed.ok);
  assert.equal(failed.errors[0]?.code, 'not-json');
});

test('compiles the conditions of settings', () => {
  const compiled = conditions(settings);
  assert(compiled.ok);
  assert.deepEqual(
    compiled.conditions.map(({ name }) => name),
    ['namespace-is-not-ignored', 'is-not-opted-out', 'asks-for-an-injection'],
  );
  assert(compiled.conditions.every(({ expression }) => expression.includes('object')));
  assert.deepEqual(compiled.notes, []);
  const failed = conditions({ log_levle: 'info' });
  assert(!failed.ok);
  assert.deepEqual(
    failed.errors.map(({ code, path }) => `${code} ${path}`),
    ['invalid-settings log_levle'],
  );
});

test('converts settings of any release', () => {
  const logfwd = { images: { logfwd_image: 'a/b:1' }, envs: { B: '$(A)', A: '1' } };
  const converted = convertSettings({ admission_inject: { logfwd } });
  assert(converted.ok);
  const rule = { namespace_selectors: ['*'], check_annotation: true, image: 'a/b:1' };
  const expected = { admission_inject_v2: { logfwds: [{ ...rule, envs: logfwd.envs }] } };
  assert.equal(JSON.stringify(converted.settings), JSON.stringify(expected));
  assert.match(converted.notes[0] ?? '', /^version 2 mounts the labels of the pod/);
  assert(validateSettings(converted.settings).valid);
  const same = convertSettings(settings);
  assert(same.ok);
  assert.deepEqual([same.settings, same.notes], [settings, []]);
  const failed = convertSettings({ log_levle: 'info' });
  assert(!failed.ok);
  assert.equal(failed.errors[0]?.path, 'log_levle');
});

test('takes out what it put in', () => {
  const mutation = mutate({ ...create, object: deployment }, settings);
  assert(mutation.ok && mutation.mutated);
  const injected = /** @type {object} */ (mutation.object);
  for (const injection of [undefined, null, 'ddtrace', 'ddtrace-java']) {
    const out = uninject(injected, settings, injection);
    assert.deepEqual(out, { ok: true, object: deployment, removed: ['ddtrace-java'] });
  }
  const unchanged = { ok: true, removed: [] };
  assert.deepEqual(uninject(injected, settings, 'otel'), { ...unchanged, object: injected });
  assert.deepEqual(uninject(deployment, settings), { ...unchanged, object: deployment });
  const other = { ...settings, policy: { id: 'other' } };
  assert.deepEqual(uninject(injected, other), { ...unchanged, object: injected });
  for (const [object, injection, path] of /** @type {[any, any, string][]} */ ([
    [null, null, 'object'],
    ['x', null, 'object'],
    [[], null, 'object'],
    [injected, 1, 'injection'],
  ])) {
    const failed = uninject(object, settings, injection);
    assert(!failed.ok);
    assert.deepEqual(
      failed.errors.map((error) => `${error.code} ${error.path}`),
      [`invalid-request ${path}`],
    );
  }
});

test('fails with values', () => {
  const cycle = /** @type {any} */ ({});
  cycle.cycle = cycle;
  let deep = /** @type {any} */ ({});
  for (let depth = 0; depth < 200; depth += 1) deep = { deep };
  for (const [request, code, path] of /** @type {[any, string, string][]} */ ([
    [undefined, 'invalid-request', 'request'],
    [null, 'invalid-request', 'request'],
    ['text', 'invalid-request', 'request'],
    [[], 'invalid-request', 'request'],
    [[create], 'invalid-request', 'request'],
    [{}, 'invalid-request', 'request.operation'],
    [{ ...create, operation: 'create' }, 'invalid-request', 'request.operation'],
    [{ ...create, operation: ['CREATE'] }, 'invalid-request', 'request.operation'],
    [{ ...create, object: 'x' }, 'invalid-request', 'request.object'],
    [{ ...create, object: [pod] }, 'invalid-request', 'request.object'],
    [{ ...create, object: undefined }, 'invalid-request', 'request.object'],
    [{ ...create, oldObject: 'x' }, 'invalid-request', 'request.oldObject'],
    [{ ...create, namespace: 1 }, 'invalid-request', 'request.namespace'],
    [{ ...create, kind: 'Pod' }, 'invalid-request', 'request.kind'],
    [cycle, 'not-json', 'request'],
    [{ big: 1n }, 'not-json', 'request'],
    [{ ...create, object: { ...pod, deep } }, 'no-patch', 'request.object'],
    [{ ...create, object: { ...pod, odd: '\ud800' } }, 'no-patch', 'request.object'],
  ])) {
    const failure = mutate(request, settings);
    assert(!failure.ok, code);
    assert.equal(failure.errors[0]?.code, code);
    assert.equal(failure.errors[0]?.path, path);
    assert(failure.errors[0]?.message);
  }
});

test('serves a cluster without an engine', async (context) => {
  const server = createServer(listener(settings));
  await new Promise((listening) => server.listen(0, '127.0.0.1', () => listening(undefined)));
  context.after(() => server.close());
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const post = (/** @type {string} */ body) =>
    fetch(`http://127.0.0.1:${port}/mutate`, { method: 'POST', body });

  const review = await post(JSON.stringify({ request: { uid: '1', ...create } }));
  const { response } = /** @type {any} */ (await review.json());
  assert.equal(response.uid, '1');
  assert.equal(response.allowed, true);
  assert.equal(response.patchType, 'JSONPatch');
  const patch = JSON.parse(Buffer.from(response.patch, 'base64').toString());
  assert.equal(patched(pod, patch).spec.initContainers[0].name, 'datakit-lib-init');

  const odd = /** @type {any} */ (await (await post('{"request":[]}')).json());
  assert.equal(odd.response.allowed, true);
  assert.equal((await post('not JSON')).status, 400);
  assert.equal((await post(' '.repeat(9 * 1024 * 1024))).status, 413);
  const abort = new AbortController();
  const body = new ReadableStream({ start: (stream) => stream.enqueue('{') }).pipeThrough(
    new TextEncoderStream(),
  );
  const gone = fetch(`http://127.0.0.1:${port}/mutate`, {
    method: 'POST',
    body,
    signal: abort.signal,
    .../** @type {any} */ ({ duplex: 'half' }),
  });
  setTimeout(() => abort.abort(), 50);
  await assert.rejects(gone);
  assert.equal((await post(JSON.stringify({ request: create }))).status, 200);
});
