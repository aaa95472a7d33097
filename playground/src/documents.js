// YAML and JSON texts as objects, and the places of what is in them.

import { parseAllDocuments, parseDocument, stringify } from 'yaml';

const OPTIONS = { prettyErrors: false };

/** Reads settings: their value, what they stand in, and the place of a path such as `a.list[1]`. */
export function readSettings(text) {
  const document = parseDocument(text, OPTIONS);
  const { faults, value } = read(document);
  const { within, ...settings } = held(value);
  return { faults, ...settings, placeOf: (path) => place(document, [...within, ...names(path)]) };
}

/** Settings as they stand, in a policy's manifest, or as text in the Operator's ConfigMap. */
function held(value) {
  if (value?.kind === 'ClusterAdmissionPolicy' || value?.kind === 'AdmissionPolicy') {
    return { value: value.spec?.settings, within: ['spec', 'settings'], kind: 'a policy' };
  }
  const entries = value?.kind === 'ConfigMap' ? Object.entries(value.data ?? {}) : [];
  const found = entries.filter(([, text]) => String(text).includes('"admission_'));
  if (found.length !== 1) return { value, within: [], kind: '' };
  const [[key, text]] = found;
  // What is no JSON stays a text, which is no settings.
  const { value: inner = text } = read(parseDocument(text, OPTIONS));
  return { value: inner, within: ['data', key], kind: 'the Operator’s ConfigMap' };
}

/** Reads manifests: the objects of all documents, a `List` as its items. */
export function readManifests(text) {
  const documents = parseAllDocuments(text, OPTIONS).map(read);
  const faults = documents.flatMap((document) => document.faults);
  const items = ({ value }) => (Array.isArray(value?.items) ? value.items : [value]);
  const objects = faults.length > 0 ? [] : documents.flatMap(items);
  return { faults, objects: objects.filter((object) => object != null) };
}

/** What a document says, or what is wrong with it. */
function read(document) {
  const faults = document.errors.map(fault);
  if (faults.length > 0) return { faults };
  try {
    return { faults, value: document.toJS() };
  } catch (error) {
    // An alias of nothing, or so many that they are an attack.
    return { faults: [{ from: 0, to: 0, message: error.message }] };
  }
}

/** The text of objects, as a stream. */
export function write(objects) {
  return objects
    .map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

function fault(error) {
  const [from, to] = error.pos;
  return { from, to, message: error.message };
}

/** The keys and indices of a path. */
function names(path) {
  const steps = path.matchAll(/\[(\d+)\]|([^.[\]]+)/g);
  return Array.from(steps, ([, index, name]) => (index === undefined ? name : Number(index)));
}

/** The place of the node at a path, or of the nearest one that is there. */
function place(document, path) {
  for (let length = path.length; length > 0; length -= 1) {
    const parent =
      length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const found = parent?.items?.[typeof name === 'number' ? name : keyIndex(parent, name)];
    const range = (found?.key ?? found)?.range;
    if (range) return { from: range[0], to: range[1] };
  }
  return { from: 0, to: 0 };
}

function keyIndex(map, name) {
  return map.items.findIndex(({ key }) => String(key?.value ?? key) === name);
}
