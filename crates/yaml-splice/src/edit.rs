//! Edits a text where its values differ from the wanted ones.

mod block;
mod change;
mod editor;
mod flow;
mod moved;
mod replace;
mod scalar;

pub(crate) use editor::Keep;

use crate::splice::Edit;
use crate::tree::{Format, Tree};
use crate::value::Value;
use editor::{Editor, Place};

/// Edits that change the root of a document to `after`; `None` if it has to be rewritten.
pub(crate) fn in_place(tree: &Tree, after: &Value, keep: Keep) -> Option<Vec<Edit>> {
    let mut editor = Editor::new(tree, keep);
    editor.change(&tree.root, &tree.value, after, Place::Root).ok()?;
    editor.finish()
}

/// The edit that rewrites a document. The comments before and after it stay.
pub(crate) fn rewrite(tree: &Tree, after: &Value) -> Vec<Edit> {
    let (editor, text, root) = (Editor::new(tree, Keep::Nothing), &tree.text, &tree.root);
    let written = match tree.format {
        Format::Json => editor.style.flow.write(after, 0),
        Format::Yaml => editor.style.block.lines(after, 0).trim_end_matches('\n').to_owned(),
    };
    let follows = tree.format == Format::Yaml && text.column(root.outer) > 0;
    let separator = if follows { "\n" } else { "" };
    let (end, line) = editor.comment_behind(root.end);
    let written = format!("{separator}{written}{line}").replace('\n', text.line_break());
    vec![Edit { range: root.outer..end, text: written }]
}
