// YAML and JSON texts as objects, and the places of what is in them.

import { checkSettings } from 'datakit-injection';
import { isMap, isSeq, parseAllDocuments, stringify } from 'yaml';
import { inChinese } from './yaml-errors.js';

const OPTIONS = { prettyErrors: false };

/**
 * Reads settings from whatever holds them: what the policy found, in a language, each error and note
 * with its place, and `placeOf`, which gives the place of a path. What is not YAML has no other errors.
 */
export function readSettings(text, language) {
  const documents = [...parseAllDocuments(text, OPTIONS)].filter(({ contents }) => contents);
  const results = documents.map((document) => read(document, language));
  const errors = results.flatMap((result) => result.errors);
  if (errors.length > 0) return { ok: false, errors, notes: [], placeOf: () => undefined };
  const values = results.map(({ value }) => value);
  const checked = checkSettings(values, language);
  const at = checked.ok ? keysOf(checked.place) : [];
  const placeOf = (path) => place(documents[checked.document ?? 0], [...at, ...names(path)]);
  const placed = (problem) => ({ ...problem, ...placeOf(problem.path) });
  return {
    ...checked,
    placeOf,
    errors: checked.errors.map(placed),
    notes: (checked.notes ?? []).map(placed),
  };
}

/**
 * Reads manifests: the objects of all documents, a `List` as its items, each with its place. Errors are
 * in a language.
 */
export function readManifests(text, language) {
  const documents = parseAllDocuments(text, OPTIONS);
  const results = [...documents].map((document) => read(document, language));
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

/** The value of a document, or its errors in a language. */
function read(document, language) {
  const words = (error) => (language === 'zh' ? inChinese(error) : error.message);
  const errors = document.errors.map((error) => {
    const [from, to] = error.pos;
    return { from, to, message: words(error) };
  });
  if (errors.length > 0) return { errors };
  try {
    return { errors, value: document.toJS() };
  } catch (error) {
    // An alias of nothing, or so many that they are an attack.
    return { errors: [{ from: 0, to: 0, message: words(error) }] };
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
  return Array.from(steps, ([, index, name]) => index ?? name);
}

/** The place of the node at a path, or of the nearest one that is there. */
function place(document, path) {
  for (let length = path.length; length > 0; length -= 1) {
    const parent =
      length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const found = parent?.items?.[isSeq(parent) ? Number(name) : keyIndex(parent, name)];
    const range = (found?.key ?? found)?.range;
    if (range) return { from: range[0], to: range[1] };
  }
  return { from: 0, to: 0 };
}

function keyIndex(map, name) {
  return map.items.findIndex(({ key }) => String(key?.value ?? key) === name);
}
