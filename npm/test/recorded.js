// The recorded cases of the reference, and the workloads that they are wrapped in.

import { readFileSync } from 'node:fs';

export const KINDS = ['Pod', 'Deployment', 'DaemonSet', 'StatefulSet'];

const RECORD = 'admission.datakit/injected';

/** @returns {any[]} */
export function recorded() {
  return ['1.5.11', '1.8.10'].flatMap((release) => {
    const file = new URL(`../../tests/conformance/operator-${release}.json`, import.meta.url);
    return JSON.parse(readFileSync(file, 'utf8'));
  });
}

/**
 * The same Pod as the template of another kind.
 *
 * @param {any} pod
 * @param {string} kind
 */
export function wrapped(pod, kind) {
  if (kind === 'Pod') return pod;
  const { labels, annotations } = pod.metadata;
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: pod.metadata.name },
    spec: {
      selector: { matchLabels: { app: 'x' } },
      template: {
        metadata: { ...(labels && { labels }), ...(annotations && { annotations }) },
        spec: pod.spec,
      },
    },
  };
}

/**
 * A workload without the record of what was injected, which the reference does not keep.
 *
 * @param {any} object
 */
export function withoutRecord(object) {
  const template = object.spec?.template;
  const { [RECORD]: record, ...annotations } = template?.metadata?.annotations ?? {};
  if (record === undefined) return object;
  const { annotations: _, ...metadata } = template.metadata;
  const others = Object.keys(annotations).length > 0 && { annotations };
  const without = { ...template, metadata: { ...metadata, ...others } };
  return { ...object, spec: { ...object.spec, template: without } };
}

/**
 * The same value, with strings that hold a JSON array read as such.
 *
 * @param {any} value
 * @returns {any}
 */
export function normalised(value) {
  if (typeof value === 'string' && value.startsWith('[')) {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
  if (Array.isArray(value)) return value.map(normalised);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, normalised(of)]));
}
