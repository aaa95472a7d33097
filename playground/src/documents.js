// YAML and JSON texts as objects, and the places of what is in them.

import { isMap, isSeq, parseAllDocuments, parseDocument, stringify } from 'yaml';

const OPTIONS = { prettyErrors: false };

/** Reads settings: their value, what holds them, and the place of a path such as `a.list[1]`. */
export function readSettings(text) {
  const document = parseDocument(text, OPTIONS);
  const { errors, value } = read(document);
  const { within, ...settings } = held(value);
  return { errors, ...settings, placeOf: (path) => place(document, [...within, ...names(path)]) };
}

/** Settings as they are, in a policy's manifest, or in the Operator's ConfigMap or a chart's values. */
function held(value) {
  if (value?.kind === 'ClusterAdmissionPolicy' || value?.kind === 'AdmissionPolicy') {
    return { value: value.spec?.settings, within: ['spec', 'settings'], kind: 'policy' };
  }
  const plain = { value, within: [], kind: '' };
  if (isConfiguration(value)) return plain;
  const isConfigMap = value?.kind === 'ConfigMap';
  const found = isConfigMap ? configurations(value.data, ['data']) : configurations(value, []);
  if (found.length !== 1) return plain;
  return { ...found[0], kind: isConfigMap ? 'configMap' : 'values' };
}

/** The configurations somewhere in a value: in the text of a string, or as they are. */
function configurations(value, within) {
  if (typeof value === 'string' && value.includes('"admission_')) {
    // What is not JSON stays a text, which is an error of the settings.
    const { value: inner = value } = read(parseDocument(value, OPTIONS));
    return [{ value: inner, within }];
  }
  if (isConfiguration(value)) return [{ value, within }];
  if (value === null || typeof value !== 'object') return [];
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value);
  return Array.from(entries, ([key, inner]) => configurations(inner, [...within, key])).flat();
}

function isConfiguration(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const keys = ['admission_inject', 'admission_inject_v2', 'admission_mutate', 'jsonconfig'];
  return keys.some((key) => value[key] !== undefined);
}

/** Reads manifests: the objects of all documents, a `List` as its items, each with its place. */
export function readManifests(text) {
  const documents = parseAllDocuments(text, OPTIONS);
  const results = [...documents].map(read);
  const errors = results.flatMap((result) => result.errors);
  const items = ({ value }, index) => {
    const document = documents[index];
    const item = (object, path) => {
      const node = path.length === 0 ? document.contents : document.getIn(path, true);
      return { object, document, path, from: node?.range?.[0] ?? 0 };
    };
    if (!Array.isArray(value?.items)) return [item(value, [])];
    return value.items.map((object, at) => item(object, ['items', at]));
  };
  const objects = errors.length > 0 ? [] : results.flatMap(items);
  return { errors, objects: objects.filter(({ object }) => object != null), text };
}

/** The value of a document, or its errors. */
function read(document) {
  const errors = document.errors.map(({ pos: [from, to], message }) => ({ from, to, message }));
  if (errors.length > 0) return { errors };
  try {
    return { errors, value: document.toJS() };
  } catch (error) {
    // An alias of nothing, or so many that they are an attack.
    return { errors: [{ from: 0, to: 0, message: error.message }] };
  }
}

/** The text of objects, as a stream. */
export function write(objects) {
  return objects
    .map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

/**
 * The text of manifests before and after patches, one for each object, with the comments and quotes of
 * their author. Objects that were made of them, and what cannot be patched in place, are written anew.
 */
export function patchedText({ objects, text, areMade }, patches, expected) {
  const documents = [...new Set(objects.map(({ document }) => document))];
  const options = {
    lineWidth: 0,
    indentSeq: !hasFlushLists(text),
    flowCollectionPadding: /[[{] \S/.test(text),
  };
  const written = () =>
    documents.map((document) => document.toString({ ...options, directives: false })).join('---\n');
  const isBlock = !areMade && documents.every(({ contents }) => isMap(contents) && !contents.flow);
  if (isBlock) {
    const before = written();
    try {
      for (const [index, { document, path }] of objects.entries()) {
        for (const operation of patches[index]) {
          apply(document, path, inOrder(operation, expected[index]));
        }
      }
      const after = documents.map((document) => document.toJS());
      const value = ({ document, path }) =>
        path.reduce((inner, key) => inner[key], after[documents.indexOf(document)]);
      if (objects.every((object, index) => same(value(object), expected[index]))) {
        return { before, after: written() };
      }
    } catch {
      // An alias on the way to what changes.
    }
  }
  return { before: write(objects.map(({ object }) => object)), after: write(expected) };
}

/** An operation whose value has its keys in the order of the patched object. */
function inOrder(operation, patched) {
  const value = keysOf(operation.path).reduce((inner, key) => inner?.[key], patched);
  return same(value, operation.value) ? { ...operation, value } : operation;
}

/** The keys of a JSON pointer. */
function keysOf(pointer) {
  const keys = pointer.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Applies an operation of a JSON Patch to the object at a path in a document. */
function apply(document, path, { op, path: pointer, value }) {
  const keys = keysOf(pointer);
  const last = keys.pop();
  let parent = path.reduce((node, key) => node.get(key, true), document.contents);
  for (const key of keys) parent = parent.get(isSeq(parent) ? Number(key) : key, true);
  const node = op === 'remove' ? undefined : document.createNode(value);
  if (isSeq(parent)) {
    const added = node === undefined ? [] : [node];
    parent.items.splice(Number(last), op === 'add' ? 0 : 1, ...added);
  } else if (!isMap(parent)) {
    throw new TypeError(`${pointer} is not in a map or a list`);
  } else if (node === undefined) {
    parent.delete(last);
  } else {
    parent.set(last, node);
  }
}

/** Whether a text has the items of lists below their key without indentation, as kubectl prints them. */
function hasFlushLists(text) {
  return /^( *)[^\s#-][^\n]*:[ \t]*\r?\n\1- /m.test(text);
}

/** Whether two values are the same JSON, in any order of keys. */
function same(one, other) {
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') {
    return Object.is(one, other);
  }
  const keys = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
  );
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
