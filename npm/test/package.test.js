import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { mutate, validateSettings } from 'datakit-injection';
import { listener } from '../example/webhook.js';
import { KINDS, normalised, recorded, wrapped } from './recorded.js';

const settings = {
  admission_inject_v2: {
    ddtraces: [{ namespace_selectors: ['*'], language: 'java', image: 'registry.example/dd:v1' }],
  },
};

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

const create = { operation: 'CREATE', namespace: 'default', object: pod };

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
      const request = { operation: 'CREATE', namespace, object: wrapped(object, kind) };
      const mutation = mutate(request, settings);
      assert(mutation.ok, id);
      const what = `${id} as ${kind}`;
      assert.deepEqual(normalised(mutation.object), normalised(wrapped(expected, kind)), what);
      assert.equal(mutation.mutated, mutated, what);
      assert.deepEqual(patched(request.object, mutation.patch), mutation.object, what);
      count += 1;
    }
  }
  context.diagnostic(`${count} recorded answers hold in Node`);
});

test('says what it did', () => {
  const mutation = mutate(create, settings);
  assert(mutation.ok);
  assert.deepEqual(mutation.auditAnnotations, { injected: 'ddtrace-java' });
  assert.equal(mutation.explanation.steps[0]?.code, 'selects');
  assert.deepEqual(mutation.explanation.injected, [
    { injection: 'ddtrace-java', rule: 'admission_inject_v2.ddtraces[0]' },
  ]);
});

test('gives the object back where nothing is asked for', () => {
  const mutation = mutate(create, {});
  assert(mutation.ok);
  assert.deepEqual(mutation.object, pod);
  assert.deepEqual(mutation.patch, []);
  assert.equal(mutation.explanation.reason?.code, 'nothing-asked');
});

test('finds every fault of settings', () => {
  assert.deepEqual(validateSettings(settings), { valid: true, errors: [] });
  assert.deepEqual(validateSettings(undefined), { valid: true, errors: [] });
  const { valid, errors } = validateSettings({ log_levle: 'info', admission_inject_v2: 1 });
  assert.equal(valid, false);
  assert.deepEqual(
    errors.map(({ code, path }) => `${code} ${path}`),
    ['invalid-settings log_levle', 'invalid-settings admission_inject_v2'],
  );
});

test('fails with values', () => {
  const cycle = /** @type {any} */ ({});
  cycle.cycle = cycle;
  let deep = /** @type {any} */ ({});
  for (let depth = 0; depth < 200; depth += 1) deep = { deep };
  for (const [request, code, path] of /** @type {[any, string, string][]} */ ([
    [null, 'invalid-request', 'request'],
    ['text', 'invalid-request', 'request'],
    [cycle, 'not-json', 'request'],
    [{ big: 1n }, 'not-json', 'request'],
    [{ ...create, object: { ...pod, deep } }, 'no-patch', 'request.object'],
    [{ ...create, object: { ...pod, odd: '\ud800' } }, 'no-patch', 'request.object'],
  ])) {
    const failure = mutate(request, settings);
    assert(!failure.ok, code);
    assert.equal(failure.errors[0]?.code, code);
    assert.equal(failure.errors[0]?.path, path);
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
