/** Anything that JSON can say, and nothing else: no cycles, no `bigint`. */
export type Json = unknown;

/** A language of messages; English without one. Codes, names and paths are the same in both. */
export type Language = 'en' | 'zh';

/** A Kubernetes `AdmissionRequest` (admission.k8s.io/v1), as far as it is read. */
export interface AdmissionRequest {
  /** Nothing is injected at `DELETE` and `CONNECT`. */
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** The namespace that selectors are compared with, unless the object names one. */
  namespace?: string | null;
  /** The kind of the object; without it, the object's `apiVersion` and `kind` are read. */
  kind?: { group?: string; version?: string; kind?: string } | null;
  /** Nothing is injected into a subresource. */
  subResource?: string | null;
  /** The object as it would be stored. Required at `CREATE` and `UPDATE`. */
  object?: object | null;
  /** The object as it is stored, at `UPDATE`. */
  oldObject?: object | null;
  [more: string]: unknown;
}

/** An operation of a JSON Patch (RFC 6902). */
export type Operation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: Json }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string };

/** An error in what was passed. */
export interface Failure {
  code: 'invalid-request' | 'invalid-settings' | 'not-json' | 'no-patch' | 'internal';
  /** Where: `request.operation`, or a path in the settings such as
   * `admission_inject_v2.ddtraces[1].image`; empty for the whole. */
  path: string;
  /** What is wrong there, for people. */
  message: string;
}

/** The result of a call that failed. */
export interface Failed {
  ok: false;
  errors: Failure[];
}

/** Something in settings that is valid, but probably a mistake. */
export interface Note {
  /** A path in the settings; empty for the whole. */
  path: string;
  message: string;
}

/** Why an object, an injection or a rule is treated as it is. */
export type ReasonCode =
  | 'no-request'
  | 'subresource'
  | 'other-operation'
  | 'other-kind'
  | 'ignored-namespace'
  | 'fixed-template'
  | 'no-template'
  | 'malformed'
  | 'mirror-pod'
  | 'unchanged'
  | 'put-back'
  | 'taken-out'
  | 'nothing-asked'
  | 'opted-out'
  | 'annotated'
  | 'after-ddtrace'
  | 'asked'
  | 'not-asked'
  | 'selects'
  | 'other-namespace'
  | 'other-labels'
  | 'selects-nothing'
  | 'switched-off'
  | 'faulty'
  | 'unserved'
  | 'replaced'
  | 'misplaced'
  | 'not-a-string'
  | 'unknown-annotation'
  | 'unsafe'
  | 'unreadable-record';

/** A reason, for machines and for people. */
export interface Reason {
  code: ReasonCode;
  message: string;
}

/** Why an object is treated as it is. */
export interface Explanation {
  /** Such as `Deployment/web`; empty where there is no object. */
  workload: string;
  /** The namespace that selectors were compared with. */
  namespace: string;
  /** The release of Datakit Operator that the settings are read for, and why, as a sentence. */
  release: string;
  /** Why nothing is injected at all, where that is so. */
  reason: Reason | null;
  /** The rules and annotations that were considered, in order. */
  steps: Step[];
  injected: { injection: string; rule: string }[];
  /** What was asked for and is there already. */
  present: string[];
  skipped: { injection: string; reason: string }[];
  /** What an earlier injection had added and is not injected again. */
  removed: string[];
  warnings: string[];
}

/** A rule, an annotation or an injection that was considered. */
export interface Step extends Reason {
  injection: string;
  /** The path of the rule in the settings; null where it is not about a single rule. */
  rule: string | null;
}

/** What happens to an object. */
export interface Mutation {
  ok: true;
  mutated: boolean;
  /** The object as it should be stored: the one of the request where nothing changes. */
  object: Json;
  /** From the object of the request to this one; empty where nothing changes. */
  patch: Operation[];
  /** For the person who applied the object, in English: at most ten, of at most 256 bytes each. */
  warnings: string[];
  /** In English. */
  auditAnnotations: { injected?: string; skipped?: string; removed?: string };
  explanation: Explanation;
}

/** The result of checking settings. */
export interface Validation {
  valid: boolean;
  errors: Failure[];
  /** What is valid, but probably a mistake. */
  notes: Note[];
  /** The release of Datakit Operator that the settings are read for, and why, as a sentence; null
   * where they cannot be read. */
  release: string | null;
}

/** Settings that were found in documents, and what checking them found. */
export interface Checked extends Validation {
  ok: true;
  /** The settings; null where their text is not JSON. */
  settings: Json;
  /** What they were found in: alone, in the Operator's ConfigMap, in values of a chart, in a policy. */
  source: 'configuration' | 'config-map' | 'chart-values' | 'policy';
  /** The same for people, with the document: `the Operator's ConfigMap, document 2 of 3`. */
  readAs: string;
  /** The index of the document. */
  document: number;
  /** Their place in the document, as a JSON pointer (RFC 6901): `/data/config`. */
  place: string;
}

/** A named CEL expression, as `spec.matchConditions` of a policy or a webhook has it. */
export interface Condition {
  name: string;
  expression: string;
}

/**
 * Decides on an admission request, as the Kubewarden policy does. Never throws.
 *
 * A rule with an error is left out, with a warning: check settings with {@link validateSettings}
 * before they are used.
 */
export function mutate(
  request: AdmissionRequest,
  settings: Json,
  language?: Language | null,
): Mutation | Failed;

/** Checks settings: finds every error, and what is probably a mistake. Never throws. */
export function validateSettings(settings: Json, language?: Language | null): Validation;

/**
 * Finds settings in the documents of a file, and checks them, as the command `check-settings` does.
 * The documents are a plain configuration, the Operator's ConfigMap or its whole
 * `datakit-operator.yaml`, values of a chart, or the manifest of a policy. Never throws.
 */
export function checkSettings(documents: Json[], language?: Language | null): Checked | Failed;

/** What is valid in settings, but probably a mistake. Never throws. */
export function notes(
  settings: Json,
  language?: Language | null,
): { ok: true; notes: Note[] } | Failed;

/**
 * The `matchConditions` that keep requests which ask for nothing in the API server: a request is sent
 * to the policy where all of them are true. They are for a policy of Pods alone, of workloads alone, or
 * of both. `words` says what passes them. Settings with errors have none. Never throws.
 */
export function conditions(
  settings: Json,
  resources?: 'pods' | 'workloads' | null,
  language?: Language | null,
): { ok: true; conditions: Condition[]; words: string[]; notes: string[] } | Failed;

/**
 * Converts settings of any release to rules of `admission_inject_v2` with the same meaning, as the command
 * `convert --v2` does; the notes say what version 2 does in another way. Settings with errors are not
 * converted. Never throws.
 */
export function convertSettings(
  settings: Json,
  language?: Language | null,
): { ok: true; settings: Json; notes: string[] } | Failed;

/**
 * Takes what was injected out of a workload, as its record says: everything, or one injection, such as
 * `ddtrace` or `ddtrace-java`. Never throws.
 *
 * The settings name the record, by `policy.id`. Where nothing is recorded, the object stays as it is,
 * and `removed` is empty; Pods have no record.
 */
export function uninject(
  object: object,
  settings: Json,
  injection?: string | null,
  language?: Language | null,
): { ok: true; object: Json; removed: string[] } | Failed;
