// What the page opens on, and the examples of the Operator's documentation, from the folder that tests
// use too. Their names are in the catalogue, by their keys.

import logging from '../../examples/logging.yaml';
import loggingPod from '../../examples/logging-pod.yaml';
import moviesJava from '../../examples/movies-java.yaml';
import moviesPython from '../../examples/movies-python.yaml';
import nginx from '../../examples/nginx.yaml';
import nginxVersion from '../../examples/nginx-version.yaml';
import settings from '../../examples/settings.json';
import settingsV2 from '../../examples/settings-v2.json';
import startManifest from './start-manifest.yaml';
import startSettings from './start-settings.yaml';

/** The documentation's rules select nothing; here the first one selects every namespace. */
function everywhere(text) {
  return text.replace('"namespace_selectors": []', '"namespace_selectors": ["*"]');
}

/** What a request is where a state does not say. */
export const request = { namespace: 'default', operation: 'CREATE', mode: 'pods' };

const example = (key, rules, manifest, namespace = request.namespace) => ({
  key,
  state: { ...request, namespace, settings: rules, manifest },
});

export const examples = [
  example('start', startSettings, startManifest, 'shop'),
  example('ddtrace', settings, nginx),
  example('version', settings, nginxVersion),
  example('logfwd', settings, logging),
  example('logging', settings, loggingPod),
  example('profilerJava', settings, moviesJava),
  example('profilerPython', settings, moviesPython),
  example('rules', everywhere(settingsV2), nginx),
];
