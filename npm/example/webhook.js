// A bare mutating admission webhook: the injection for a cluster without Kubewarden.
//
//   SETTINGS=settings.json TLS_CERT=tls.crt TLS_KEY=tls.key PORT=8443 node webhook.js
//
// It allows every request: what cannot be injected becomes a warning.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { pathToFileURL } from 'node:url';
import { mutate, validateSettings } from 'datakit-injection';

/** The API server takes objects of 3 MiB; an update holds two. */
const MAX_BODY = 8 * 1024 * 1024;

/**
 * The answer to an AdmissionReview.
 *
 * @param {any} review
 * @param {unknown} settings
 */
export function respond(review, settings) {
  const request = review?.request ?? {};
  const mutation = mutate(request, settings);
  const response = mutation.ok
    ? {
        uid: request.uid,
        allowed: true,
        warnings: mutation.warnings,
        auditAnnotations: mutation.auditAnnotations,
        ...(mutation.patch.length > 0 && {
          patchType: 'JSONPatch',
          patch: Buffer.from(JSON.stringify(mutation.patch)).toString('base64'),
        }),
      }
    : {
        uid: request.uid,
        allowed: true,
        warnings: mutation.errors.map(({ path, message }) => `not injected: ${path} ${message}`),
      };
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
}

/**
 * Answers HTTP requests under settings.
 *
 * @param {unknown} settings
 * @returns {import('node:http').RequestListener}
 */
export function listener(settings) {
  return async (request, response) => {
    try {
      const chunks = [];
      let length = 0;
      for await (const chunk of request) {
        length += chunk.length;
        if (length > MAX_BODY) {
          response.writeHead(413, { connection: 'close' }).end();
          return;
        }
        chunks.push(chunk);
      }
      const answer = JSON.stringify(respond(JSON.parse(String(Buffer.concat(chunks))), settings));
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    } catch {
      // Not JSON, or a client that went away.
      response.writeHead(400).end('not an AdmissionReview');
    }
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { SETTINGS = '', TLS_CERT = '', TLS_KEY = '', PORT = '8443' } = process.env;
  const settings = JSON.parse(readFileSync(SETTINGS, 'utf8'));
  const { valid, errors } = validateSettings(settings);
  if (!valid) {
    for (const { path, message } of errors) console.error(`${path}: ${message}`);
    process.exit(1);
  }
  const tls = { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) };
  createServer(tls, listener(settings)).listen(Number(PORT), () => {
    console.log(`listening on port ${PORT}`);
  });
}
