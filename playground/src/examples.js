// The examples of the Operator's documentation, from the folder that tests use too.

import logging from '../../examples/logging.yaml';
import loggingPod from '../../examples/logging-pod.yaml';
import moviesJava from '../../examples/movies-java.yaml';
import moviesPython from '../../examples/movies-python.yaml';
import nginx from '../../examples/nginx.yaml';
import nginxVersion from '../../examples/nginx-version.yaml';
import settings from '../../examples/settings.json';
import settingsV2 from '../../examples/settings-v2.json';

/** The documentation's rules select nothing; here the first one selects every namespace. */
function everywhere(text) {
  return text.replace('"namespace_selectors": []', '"namespace_selectors": ["*"]');
}

export const examples = [
  { name: 'DDTrace for Java', settings, manifest: nginx },
  { name: 'DDTrace for Java, in a version', settings, manifest: nginxVersion },
  { name: 'logfwd, and a logging annotation', settings, manifest: logging },
  { name: 'Logging annotation of a Pod', settings, manifest: loggingPod },
  { name: 'Profiler for Java', settings, manifest: moviesJava },
  { name: 'Profiler for Python', settings, manifest: moviesPython },
  { name: 'Rules of version 2', settings: everywhere(settingsV2), manifest: nginx },
];
