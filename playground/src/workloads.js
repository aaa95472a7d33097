// The Pods that workloads make.

/** Where Kubernetes' own workloads keep their pod template. */
const TEMPLATES = {
  'apps/v1': {
    Deployment: ['spec', 'template'],
    DaemonSet: ['spec', 'template'],
    StatefulSet: ['spec', 'template'],
  },
  'batch/v1': {
    Job: ['spec', 'template'],
    CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
  },
};

/** The Pod that a workload makes; what makes none stays as it is. */
export function podOf(object, settings) {
  const path = TEMPLATES[object?.apiVersion]?.[object?.kind] ?? extra(object, settings);
  const template = path?.reduce((value, key) => value?.[key], object);
  if (template === null || typeof template !== 'object') return object;
  const { name, namespace } = object.metadata ?? {};
  const isJob = object.apiVersion === 'batch/v1';
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, controller: true };
  const own = {
    ...(name !== undefined && { generateName: `${name}-` }),
    ...(namespace !== undefined && { namespace }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...own, // the first that is read
      ...template.metadata,
      ...own,
      ...(isJob && { ownerReferences: [owner] }),
    },
    spec: template.spec,
  };
}

/** The path that `policy.extra_workloads` gives for a kind. */
function extra(object, settings) {
  const extras = settings?.policy?.extra_workloads;
  const [group] = String(object?.apiVersion ?? '').split('/');
  const found = Array.isArray(extras)
    ? extras.find((it) => it?.group === group && it?.kind === object?.kind)
    : undefined;
  if (typeof found?.template !== 'string') return undefined;
  const keys = found.template.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}
