// The editors: CodeMirror in the colours of the page.

import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
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

/** What both kinds of editor have. Tab stops are explicit for tools that look for them. */
const common = (label) => [
  EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
  lineNumbers(),
  drawSelection(),
  yaml(),
  syntaxHighlighting(colours),
  theme,
];

/** An editor of YAML in an element, labelled for screen readers. */
export function editor(parent, label, changed) {
  return new EditorView({
    parent,
    extensions: [
      common(label),
      history(),
      highlightActiveLine(),
      lintGutter(),
      // Tab leaves the editor, as a keyboard needs it to.
      keymap.of([...defaultKeymap, ...historyKeymap]),
      EditorView.updateListener.of((update) => update.docChanged && changed()),
    ],
  });
}

/** Replaces the text of an editor. */
export function setText(view, text) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

/** Marks faults at their lines; gives the marks, which stand within the text. */
export function mark(view, faults) {
  const length = view.state.doc.length;
  const diagnostics = faults.map(({ from, to, message }) => ({
    from: Math.min(from, length),
    to: Math.min(Math.max(to, from), length),
    severity: 'error',
    message,
  }));
  view.dispatch(setDiagnostics(view.state, diagnostics));
  return diagnostics;
}

/** Puts the cursor at a place, and the focus there. */
export function reveal(view, position) {
  view.dispatch({ selection: { anchor: position }, scrollIntoView: true });
  view.focus();
}

/** Shows how one text becomes another, in an element. */
export function showDiff(parent, before, after) {
  const scroll = parent.querySelector('.cm-scroller')?.scrollTop ?? 0;
  parent.replaceChildren();
  const view = new EditorView({
    parent,
    doc: after,
    extensions: [
      common('Difference'),
      EditorState.readOnly.of(true),
      unifiedMergeView({
        original: before,
        mergeControls: false,
        highlightChanges: false,
        collapseUnchanged: { margin: 3, minSize: 8 },
      }),
    ],
  });
  view.scrollDOM.scrollTop = scroll;
}
