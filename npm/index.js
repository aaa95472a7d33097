// Plain objects in and out; the module takes and gives JSON.

import * as wasm from './wasm/datakit_injection.js';

/** @type {typeof import('./index.d.ts').mutate} */
export function mutate(request, settings) {
  return call(wasm.mutate, { request, settings }, (errors) => ({ ok: false, errors }));
}

/** @type {typeof import('./index.d.ts').validateSettings} */
export function validateSettings(settings) {
  return call(wasm.validateSettings, { settings }, (errors) => ({ valid: false, errors }));
}

/**
 * Failures are values: whoever asks stands between a user and a cluster.
 *
 * @param {(...texts: any[]) => string} decide
 * @param {Record<string, unknown>} values
 * @param {(errors: import('./index.d.ts').Failure[]) => any} failed
 */
function call(decide, values, failed) {
  const texts = [];
  for (const [path, value] of Object.entries(values)) {
    try {
      texts.push(JSON.stringify(value ?? null) ?? 'null');
    } catch (error) {
      return failed([{ code: 'not-json', path, message: text(error) }]);
    }
  }
  try {
    return JSON.parse(decide(...texts));
  } catch (error) {
    return failed([{ code: 'internal', path: '', message: text(error) }]);
  }
}

/** @param {unknown} error */
function text(error) {
  return error instanceof Error ? error.message : String(error);
}
