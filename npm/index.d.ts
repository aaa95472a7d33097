/** Anything that JSON can say, and nothing else: no cycles, no `bigint`. */
export type Json = unknown;

/** A Kubernetes `AdmissionRequest` (admission.k8s.io/v1), as far as it is read. */
export interface AdmissionRequest {
  /** `CREATE` or `UPDATE`; nothing is done at other operations. */
  operation?: string;
  /** The namespace, where the object does not say. */
  namespace?: string;
  /** Where it is absent, `apiVersion` and `kind` of the object count. */
  kind?: { group?: string; version?: string; kind?: string };
  /** Nothing is done where it is set. */
  subResource?: string;
  /** The object as it would be stored. */
  object?: Json;
  /** The object as it is stored, at an update. */
  oldObject?: Json;
  [more: string]: unknown;
}

/** An operation of a JSON Patch (RFC 6902). */
export type Operation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: Json }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string };

/** Something wrong with what was handed over. */
export interface Failure {
  code: 'invalid-request' | 'invalid-settings' | 'not-json' | 'no-patch' | 'internal';
  /** Where, such as `admission_inject_v2.ddtraces[1].image`; empty for the whole. */
  path: string;
  /** What is wrong there, for people. */
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
  | 'unknown-annotation'
  | 'unsafe'
  | 'unreadable-record';

/** A reason, for machines and for people. */
export interface Reason {
  code: ReasonCode;
  message: string;
}

/** The way to the decision. */
export interface Explanation {
  /** Such as `Deployment/web`. */
  workload: string;
  /** Why nothing is done at all, where that is so. */
  reason: Reason | null;
  /** The rules and annotations that were looked at, in order. */
  steps: (Reason & { injection: string; rule: string | null })[];
  injected: { injection: string; rule: string }[];
  /** What was asked for and is there already. */
  present: string[];
  skipped: { injection: string; reason: string }[];
  warnings: string[];
}

/** What becomes of an object. */
export interface Mutation {
  ok: true;
  mutated: boolean;
  /** The object as it should be stored; the one of the request where nothing is injected. */
  object: Json;
  /** From the object of the request to this one; empty where nothing is injected. */
  patch: Operation[];
  /** For whoever applied the object, at most 256 bytes each. */
  warnings: string[];
  auditAnnotations: { injected?: string; skipped?: string };
  explanation: Explanation;
}

/**
 * Decides on an admission request, as the Kubewarden policy does. Never throws.
 *
 * A rule with a fault is left out, with a warning: check settings with {@link validateSettings}
 * before they are used.
 */
export function mutate(
  request: AdmissionRequest,
  settings: Json,
): Mutation | { ok: false; errors: Failure[] };

/** Checks settings: finds every fault. Never throws. */
export function validateSettings(settings: Json): { valid: boolean; errors: Failure[] };
