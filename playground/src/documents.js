// YAML and JSON texts as objects, and the places of what is in them.

import { parseAllDocuments, parseDocument, stringify } from 'yaml';

const OPTIONS = { prettyErrors: false };

/** Reads settings: their value, and the place of a path such as `a.list[1].key`. */
export function readSettings(text) {
  const document = parseDocument(text, OPTIONS);
  const faults = document.errors.map(fault);
  return {
    faults,
    value: faults.length === 0 ? document.toJS() : undefined,
    placeOf: (path) => place(document, path),
  };
}

/** Reads manifests: the objects of all documents, a `List` as its items. */
export function readManifests(text) {
  const documents = parseAllDocuments(text, OPTIONS);
  const faults = documents.flatMap((document) => document.errors.map(fault));
  const objects = faults.length > 0 ? [] : documents.map((document) => document.toJS());
  const items = (object) => (Array.isArray(object?.items) ? object.items : [object]);
  return { faults, objects: objects.flatMap(items).filter((object) => object != null) };
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

/** The place of the node at a path, or of the nearest one that is there. */
function place(document, path) {
  const keys = [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)];
  const names = keys.map(([, index, name]) => (index === undefined ? name : Number(index)));
  for (let length = names.length; length > 0; length -= 1) {
    const parent = document.getIn(names.slice(0, length - 1), true) ?? document.contents;
    const name = names[length - 1];
    const found = parent?.items?.[typeof name === 'number' ? name : keyIndex(parent, name)];
    const range = (found?.key ?? found)?.range;
    if (range) return { from: range[0], to: range[1] };
  }
  return { from: 0, to: 0 };
}

function keyIndex(map, name) {
  return map.items.findIndex(({ key }) => String(key?.value ?? key) === name);
}
