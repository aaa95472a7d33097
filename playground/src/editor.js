// The editors: CodeMirror in the colours of the page.

import { autocompletion, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import {
  codeFolding,
  foldEffect,
  foldKeymap,
  HighlightStyle,
  syntaxHighlighting,
} from '@codemirror/language';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { unifiedMergeView } from '@codemirror/merge';
import { Compartment, EditorState, RangeSetBuilder } from '@codemirror/state';
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
  ViewPlugin,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';

const theme = EditorView.theme({
  '&': { color: 'var(--ink)', fontSize: '13px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', overflow: 'auto' },
  '.cm-gutters': {
    backgroundColor: 'var(--paper)',
    color: 'var(--faint)',
    borderRight: '1px solid var(--line)',
  },
  '.cm-line': {
    paddingLeft: 'calc(6px + var(--indent, 0ch))',
    textIndent: 'calc(-1 * var(--indent, 0ch))',
  },
  '.cm-activeLine': { backgroundColor: 'var(--active)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
    {
      backgroundColor: 'color-mix(in srgb, var(--accent) 30%, transparent)',
    },
  '.cm-tooltip': {
    backgroundColor: 'var(--paper)',
    color: 'var(--ink)',
    border: '1px solid var(--line)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent)',
    color: 'var(--on-accent)',
  },
  '&.cm-merge-b .cm-changedLine, .cm-inlineChangedLine': { backgroundColor: 'var(--added)' },
  '.cm-deletedChunk': { backgroundColor: 'var(--removed)', color: 'var(--ink)' },
  '.cm-deletedChunk .cm-deletedText': { background: 'none' },
  '.cm-collapsedLines': {
    color: 'var(--faint)',
    background: 'var(--active)',
    '&::before, &::after': { content: '"⋯"' },
  },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--key)' },
  { tag: tags.string, color: 'var(--string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--number)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
]);

/** Deeper wrapped lines would leave no room on a phone. */
const MAX_INDENT = 16;

/** Indents what is wrapped as its line is, and a little more. */
const wrappedIndent = ViewPlugin.define(
  (view) => ({
    decorations: indents(view),
    update(update) {
      if (update.docChanged || update.viewportChanged) this.decorations = indents(update.view);
    },
  }),
  { decorations: ({ decorations }) => decorations },
);

function indents(view) {
  const builder = new RangeSetBuilder();
  for (const { from, to } of view.visibleRanges) {
    for (let position = from; position <= to;) {
      const line = view.state.doc.lineAt(position);
      const indent = Math.min(line.text.search(/\S|$/) + 2, MAX_INDENT);
      const attributes = { style: `--indent: ${indent}ch` };
      builder.add(line.from, line.from, Decoration.line({ attributes }));
      position = line.to + 1;
    }
  }
  return builder.finish();
}

/** The name of an editor for screen readers. Tab stops are explicit for tools that look for them. */
const named = (label) => EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' });

const name = new Compartment();

/** What both kinds of editor have. */
const common = (label) => [
  name.of(named(label)),
  EditorView.lineWrapping,
  wrappedIndent,
  lineNumbers(),
  drawSelection(),
  yaml(),
  syntaxHighlighting(colours),
  theme,
];

/** Completion by one source, and hover by another. */
const assisted = ({ complete, hover }) => [
  autocompletion({
    override: [complete],
    icons: false,
    activateOnCompletion: ({ hasValues }) => hasValues,
  }),
  hoverTooltip(hover),
  keymap.of(completionKeymap),
];

/** An editor of YAML in an element, labelled for screen readers; it may be assisted. */
export function editor(parent, label, changed, assistance) {
  return new EditorView({
    parent,
    extensions: [
      common(label),
      assistance ? assisted(assistance) : [],
      history(),
      highlightActiveLine(),
      lintGutter(),
      // Tab leaves the editor, as a keyboard needs it to.
      keymap.of([...defaultKeymap, ...historyKeymap]),
      EditorView.updateListener.of((update) => update.docChanged && changed()),
    ],
  });
}

/** Gives an editor another name for screen readers. */
export function rename(view, label) {
  view.dispatch({ effects: name.reconfigure(named(label)) });
}

/** Replaces the text of an editor. */
export function setText(view, text) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

/** Marks errors and notes in their first lines; gives the marks, which are within the text. */
export function mark(view, problems) {
  const { doc } = view.state;
  const diagnostics = problems.map(({ from, to, message, severity }) => {
    const start = Math.min(from, doc.length);
    const end = Math.min(Math.max(to, start), doc.lineAt(start).to);
    return { from: start, to: end, severity, message };
  });
  view.dispatch(setDiagnostics(view.state, diagnostics));
  return diagnostics;
}

/** Puts the cursor at a place, and the focus there. */
export function reveal(view, position) {
  view.dispatch({ selection: { anchor: position }, scrollIntoView: true });
  view.focus();
}

/** The record of what was injected: the key, the version and the rest, which only the policy reads. */
const RECORD = /^\s*admission\.datakit\/injected\S*: '\{"v":\d+(.*)\}'$/;

/** Folds the records in a text to the width of a line; a click opens them. */
function foldRecords(view) {
  const effects = [];
  const { doc } = view.state;
  for (let number = 1; number <= doc.lines; number += 1) {
    const { text, to } = doc.line(number);
    const rest = RECORD.exec(text)?.[1];
    if (rest) effects.push(foldEffect.of({ from: to - 2 - rest.length, to: to - 2 }));
  }
  view.dispatch({ effects });
}

const folding = (label) =>
  codeFolding({
    placeholderDOM(view, open) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'fold';
      button.textContent = '…';
      button.title = label;
      button.setAttribute('aria-label', label);
      button.addEventListener('click', open);
      return button;
    },
  });

/** A text in an element, to be read, with the texts of a language. */
export function showText(parent, text, label) {
  show(parent, text, common(label));
}

/** Shows how one text becomes another, in an element, with the texts of a language. */
export function showDiff(parent, before, after, { diff, unchangedLines, openRecord }) {
  const view = show(parent, after, [
    common(diff),
    EditorState.phrases.of({ '$ unchanged lines': unchangedLines }),
    folding(openRecord),
    keymap.of(foldKeymap),
    unifiedMergeView({
      original: before,
      mergeControls: false,
      highlightChanges: false,
      ...(before !== after && { collapseUnchanged: { margin: 3, minSize: 8 } }),
    }),
  ]);
  foldRecords(view);
}

/** Replaces what an element shows, and keeps how far it is scrolled. */
function show(parent, doc, extensions) {
  const scroll = parent.querySelector('.cm-scroller')?.scrollTop ?? 0;
  parent.replaceChildren();
  const view = new EditorView({
    parent,
    doc,
    extensions: [extensions, EditorState.readOnly.of(true)],
  });
  view.scrollDOM.scrollTop = scroll;
  return view;
}
