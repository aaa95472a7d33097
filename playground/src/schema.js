// Completion and hover in the settings, from their schema.

import { isPair, isSeq, parseAllDocuments, visit } from 'yaml';
import schemaText from '../../settings.schema.json';
import chinese from './schema-zh.js';
import { texts } from './texts.js';

const SCHEMA = JSON.parse(schemaText);

/** What is completed, while it is parsed. */
const MARK = 'cursor0mark';

/** Where a policy's manifest has its settings. */
const IN_POLICY = ['spec', 'settings'];

/** A schema with what it refers to. */
function resolved(schema) {
  if (schema?.$ref === undefined) return schema;
  const target = schema.$ref.split('/').slice(1);
  return { ...target.reduce((at, key) => at[key], SCHEMA), ...schema };
}

/** The schema at a path of keys and indices; nothing where it has none. */
function schemaAt(path) {
  return path.reduce((schema, key) => {
    const { items, properties } = resolved(schema) ?? {};
    return typeof key === 'number' ? items : properties?.[key];
  }, SCHEMA);
}

/** The schema at a path in a document, which may be the manifest of a policy. */
function schemaIn(document, path) {
  if (!document.has?.('kind')) return resolved(schemaAt(path));
  const isInside = IN_POLICY.every((key, index) => path[index] === key);
  return isInside ? resolved(schemaAt(path.slice(IN_POLICY.length))) : undefined;
}

/** The keys and indices that lead to a node. */
function pathOf(node, ancestors) {
  return [...ancestors, node].flatMap((it, index, chain) => {
    if (isPair(it)) return [String(it.key?.value ?? it.key)];
    return isSeq(chain[index - 1]) ? [chain[index - 1].items.indexOf(it)] : [];
  });
}

/** The scalar that a test accepts, with its document, its path and its role. */
function find(text, test) {
  let found;
  for (const document of parseAllDocuments(text, { prettyErrors: false })) {
    visit(document, {
      Scalar(role, node, ancestors) {
        if (!test(node)) return undefined;
        found = { role, node, ancestors, document, path: pathOf(node, ancestors) };
        return visit.BREAK;
      },
    });
    if (found) break;
  }
  return found;
}

const describe = ({ description = '' }, language) =>
  (language === 'zh' && chinese[description]) || description;

/** The values that a schema lists; the empty one means the default. */
const valuesOf = ({ enum: values, type }) =>
  type === 'boolean' ? ['true', 'false'] : (values ?? []).filter((value) => value !== '');

/** Completes keys and values at the cursor. */
export const complete = (language) => (context) => {
  const { state, pos, explicit } = context;
  const line = state.doc.lineAt(pos);
  const typed = context.matchBefore(/[\w-]*/);
  const before = line.text.slice(0, typed.from - line.from);
  const rest = /^[\w-]*/.exec(state.sliceDoc(pos, line.to))[0];
  const after = state.sliceDoc(pos + rest.length, line.to);
  const isAlone = /^[\s-]*$/.test(before) && /^\s*(#|$)/.test(after);
  if (typed.from === pos && !explicit && !/: $/.test(before)) return null;

  // A word alone in its line is the beginning of a key.
  const mark = isAlone ? `${MARK}:` : MARK;
  const text = state.sliceDoc(0, typed.from) + mark + state.sliceDoc(pos + rest.length);
  const found = find(text, ({ value }) => value === MARK);
  if (!found) return null;
  const { role, node, ancestors, document, path } = found;
  const isKey = role === 'key';
  const schema = schemaIn(document, isKey ? path.slice(0, -1) : path);
  if (!schema) return null;
  const valid = { from: typed.from, to: pos + rest.length, validFor: /^[\w-]*$/ };
  if (!isKey) {
    const options = valuesOf(schema).map((label) => ({ label, type: 'enum' }));
    return options.length > 0 ? { ...valid, options } : null;
  }
  const present = ancestors.at(-2)?.items.map(({ key }) => key?.value) ?? [];
  const keys = Object.entries(schema.properties ?? {}).filter(([key]) => !present.includes(key));
  const isFlow = ancestors.some(({ flow }) => flow);
  const indent = `\n${before.replaceAll('-', ' ')}  `;
  const options = keys.map(([label, of]) => {
    const value = resolved(of);
    const open = { object: indent, array: `${indent}- ` }[value.type];
    const isBare = node.type !== 'PLAIN' || after.trimStart().startsWith(':');
    return {
      label,
      type: 'property',
      info: describe(value, language()) || undefined,
      apply: isBare ? label : `${label}:${(!isFlow && open) || ' '}`,
      hasValues: !isBare && valuesOf(value).length > 0,
    };
  });
  return { ...valid, options };
};

/** Tells about a key, where the pointer is on it. */
export const hover = (language) => (view, position) => {
  const isThere = ({ range }) => range && range[0] <= position && position <= range[1];
  const found = find(view.state.doc.toString(), isThere);
  const schema = found?.role === 'key' && schemaIn(found.document, found.path);
  if (!schema) return null;
  const text = texts[language()];
  const values = valuesOf(schema).join(text.comma);
  const lines = [
    describe(schema, language()),
    values && text.values(values),
    schema.default !== undefined && text.byDefault([schema.default].flat().join(text.comma)),
  ].filter(Boolean);
  const create = () => {
    const dom = document.createElement('div');
    dom.className = 'about-key';
    dom.append(
      ...lines.map((line) => Object.assign(document.createElement('p'), { textContent: line })),
    );
    return { dom };
  };
  const [pos, end] = found.node.range;
  return lines.length > 0 ? { pos, end, create } : null;
};
