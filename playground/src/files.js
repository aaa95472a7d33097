// Files: into an editor, by dropping or choosing them, and out of the page.

import { MAX_STATE } from './link.js';

/**
 * Takes files that are dropped on an element or chosen by an input into `put`, as one text; what is not
 * a text goes to `refuse`, by the reason and the name.
 */
export function takeFiles(target, button, input, put, refuse) {
  const take = async (files) => {
    const texts = [];
    for (const file of input.multiple ? files : files.slice(0, 1)) {
      if (file.size > MAX_STATE) return refuse('tooLarge', file.name);
      const text = await file.text();
      if (/[\0\uFFFD]/.test(text)) return refuse('notText', file.name);
      texts.push(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'));
    }
    if (texts.length > 0) put(texts.map(ended).join('---\n'));
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
  target.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    event.dataTransfer.dropEffect = 'copy';
    target.classList.add('dropping');
  });
  for (const name of ['dragleave', 'drop']) {
    target.addEventListener(name, () => target.classList.remove('dropping'), true);
  }
  // Before the editor, which would put the text where it is dropped.
  const drop = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    void take([...event.dataTransfer.files]);
  };
  target.addEventListener('drop', drop, true);
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', async () => {
    await take([...input.files]);
    // The same file may be chosen again.
    input.value = '';
  });
}

function ended(text) {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** Keeps a browser from leaving the page for a file that misses its target. */
export function ignoreOtherDrops() {
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'none';
  });
  addEventListener('drop', (event) => {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
  });
}

/** Downloads a text as a file. */
export function download(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
  link.download = name;
  link.click();
  // A browser that starts the download later has taken the text by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
