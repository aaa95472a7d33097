// YAML and JSON texts as objects, and the places of what is in them.

import { parseAllDocuments, parseDocument, stringify } from 'yaml';

const OPTIONS = { prettyErrors: false };

/** Reads settings: their value, and the place of a path such as `a.list[1].key`. */
export function readSettings(text) {
  const document = parseDocument(text, OPTIONS);
  const { faults, value } = read(document);
  return { faults, value, placeOf: (path) => place(document, path) };
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
