// Plain objects in and out; the module takes and gives JSON.

import * as wasm from './wasm/datakit_injection.js';

/** @type {typeof import('./index.d.ts').mutate} */
export function mutate(request, settings, language) {
  return call(wasm.mutate, { request, settings, language }, notOk);
}

/** @type {typeof import('./index.d.ts').validateSettings} */
export function validateSettings(settings, language) {
  const failed = (/** @type {import('./index.d.ts').Failure[]} */ errors) => ({
    valid: false,
    errors,
    notes: [],
    release: null,
  });
  return call(wasm.validateSettings, { settings, language }, failed);
}

/** @type {typeof import('./index.d.ts').checkSettings} */
export function checkSettings(documents, language) {
  return call(wasm.checkSettings, { documents, language }, notOk);
}

/** @type {typeof import('./index.d.ts').notes} */
export function notes(settings, language) {
  return call(wasm.notes, { settings, language }, notOk);
}

/** @type {typeof import('./index.d.ts').conditions} */
export function conditions(settings, resources, language) {
  return call(wasm.conditions, { settings, resources, language }, notOk);
}

/** @type {typeof import('./index.d.ts').convertSettings} */
export function convertSettings(settings, language) {
  return call(wasm.convertSettings, { settings, language }, notOk);
}

/** @type {typeof import('./index.d.ts').uninject} */
export function uninject(object, settings, injection, language) {
  return call(wasm.uninject, { object, settings, injection, language }, notOk);
}

/** @param {import('./index.d.ts').Failure[]} errors */
function notOk(errors) {
  return { ok: false, errors };
}

/**
 * Failures are values: the caller is part of what decides whether a user's object is admitted.
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
