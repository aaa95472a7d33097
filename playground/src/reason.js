// Why nothing is injected, in one sentence.

/** The reason for the objects of these explanations, with the texts of a language; empty without objects. */
export function reasonOf(explanations, text) {
  const reasons = new Set(explanations.map((explanation) => one(explanation, text)));
  return reasons.size > 1 ? text.reasons.several() : ([...reasons][0] ?? '');
}

function one({ namespace, workload, reason, steps, skipped, present }, { reasons, outcome, step }) {
  if (skipped.length > 0) return step(skipped[0].injection, skipped[0].reason);
  if (present.length > 0) return outcome.present(present[0]);
  if (reason?.code !== 'nothing-asked') return reason?.message ?? '';
  if (steps.length === 0) return reasons.noRules();
  // What the rules lack; an annotation that is not there is no news beside them.
  const lacks = new Set(steps.map(({ code }) => code));
  if (lacks.size > 1) lacks.delete('not-asked');
  const only = (...codes) => [...lacks].every((code) => codes.includes(code));
  if (only('other-namespace')) return reasons.namespace(namespace);
  if (only('other-labels')) return reasons.labels(workload);
  if (only('other-namespace', 'other-labels')) return reasons.both(namespace, workload);
  return steps.length === 1 ? step(steps[0].injection, steps[0].message) : reason.message;
}
