// The manifest of a policy: the one of deploy/ with other settings and conditions.

import { parseDocument, Scalar } from 'yaml';
import pods from '../../deploy/base/pods.yaml';
import workloads from '../../deploy/base/workloads.yaml';

const BASES = { pods, workloads };

/**
 * The text of a policy that injects into workloads or into Pods; its settings are valid, and there may
 * be notes about them.
 */
export function policyManifest(mode, settings, { conditions, words, notes }, settingsNotes) {
  const document = parseDocument(BASES[mode]);
  document.contents.items[0].key.commentBefore = comment(
    '`mode: monitor` logs and changes nothing; set it to `protect` to inject.',
  );
  const spec = document.get('spec');
  spec.set('mode', 'monitor');
  spec.delete('matchConditions');
  const indexOf = (name) => spec.items.findIndex(({ key }) => key.value === name);
  const list = conditions.map(({ name, expression }) => {
    const text = new Scalar(expression);
    text.type = Scalar.BLOCK_LITERAL;
    return document.createNode({ name, expression: text });
  });
  if (list.length > 0) {
    const pair = document.createPair('matchConditions', list);
    pair.key.commentBefore = comment(
      'Objects that ask for nothing never reach the policy server. Made from the settings: make',
      'them anew when the settings change. These requests pass:',
      ...words.map((word) => `  ${word}`),
      ...notes,
    );
    spec.items.splice(indexOf('settings'), 0, pair);
  }
  const kinds = settings?.policy?.extra_workloads ?? [];
  if (mode === 'workloads' && kinds.length > 0) {
    const names = kinds.map(({ kind, group }) => (group ? `${kind} (${group})` : kind));
    const { key } = spec.items[indexOf('rules')];
    key.commentBefore = comment(
      `Add the resources of policy.extra_workloads: ${names.join(', ')}.`,
    );
  }
  spec.set('settings', document.createNode(settings ?? {}));
  if (settingsNotes.length > 0) {
    spec.items[indexOf('settings')].key.commentBefore = comment(...settingsNotes);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function comment(...lines) {
  return lines.map((line) => ` ${line}`).join('\n');
}
