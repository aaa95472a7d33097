// The page: two editors in, the decision of the policy out.

import { conditions, convertSettings, mutate } from 'datakit-injection';
import { patchedText, readManifests, readSettings } from './documents.js';
import { editor, mark, rename, reveal, setText, showDiff, showText } from './editor.js';
import { examples, request } from './examples.js';
import { download, ignoreOtherDrops, takeFiles } from './files.js';
import { pack, unpack } from './link.js';
import { policyManifest } from './policy.js';
import { reasonOf } from './reason.js';
import { complete, hover } from './schema.js';
import { startTabs } from './tabs.js';
import { documents, preferred, texts } from './texts.js';
import { podOf } from './workloads.js';

/** Long enough to end a word in. */
const PAUSE = 150;

/** Below this width the sections are one column, and the result comes first. */
const NARROW = matchMedia('(max-width: 700px)');

const element = (id) => document.getElementById(id);

let timer;
const changed = () => {
  clearTimeout(timer);
  timer = setTimeout(decide, PAUSE);
};
/** The language that was chosen, by the user or by a link; else the browser decides. */
let chosenLanguage;
/** The language of the page. */
let language = 'en';
let text = texts[language];
const spoken = () => language;

const assistance = { complete: complete(spoken), hover: hover(spoken) };
const settings = editor(element('settings'), '', changed, assistance);
const manifest = editor(element('manifest'), '', changed);
const [namespace, operation, mode] = ['namespace', 'operation', 'mode'].map(element);

/** What each tab shows, to be copied, and to be downloaded where it has a name. */
const shown = {
  explanation: {
    get text() {
      return element('explanation').innerText;
    },
  },
};
/** The open tab. */
let panel = 'diff';

/** What is in the address. */
function state() {
  return {
    settings: settings.state.doc.toString(),
    manifest: manifest.state.doc.toString(),
    namespace: namespace.value,
    operation: operation.value,
    mode: mode.value,
  };
}

function decide() {
  clearTimeout(timer);
  element('status').textContent = '';
  const now = state();
  void save(now);
  const sameAs = (example) => Object.keys(now).every((key) => now[key] === example.state[key]);
  element('example').value = examples.find(sameAs)?.key ?? '';

  const read = readSettings(now.settings, language);
  const problem =
    (severity) =>
    ({ from, to, path, message }) => ({
      from,
      to,
      severity,
      message: path ? text.at(path, message) : message,
    });
  const problems = [...read.errors.map(problem('error')), ...read.notes.map(problem('warning'))];
  list(settings, element('settings-problems'), problems);
  const isPlain = !read.ok || read.source === 'configuration';
  element('kind').textContent = isPlain ? '' : text.readAs(read.readAs);

  showPolicy(now.mode, read);

  const manifests = readManifests(now.manifest, language);
  if (now.mode === 'pods') {
    const items = manifests.objects;
    for (const item of items) item.pod = podOf(item.object, read.settings);
    manifests.areMade = items.some(({ pod, object }) => pod !== object);
    for (const item of items) item.object = item.pod;
  }
  const results = manifests.objects.map(({ object, from }) => {
    const request = { operation: now.operation, namespace: now.namespace || 'default', object };
    return { object, from, mutation: mutate(request, read.settings, language) };
  });
  const failures = results.flatMap(({ from, mutation }) =>
    mutation.ok
      ? []
      : mutation.errors.map(({ path, message }) => ({
          from,
          to: from,
          message: `${path} ${message}`,
        })),
  );
  const manifestErrors = [...manifests.errors, ...failures].map((error) => ({
    ...error,
    severity: 'error',
  }));
  list(manifest, element('manifest-problems'), manifestErrors);

  const isError = ({ severity }) => severity === 'error';
  const errors = [...problems, ...manifestErrors].filter(isError).length;
  show(manifests, results, errors, read);
  labelButtons();
}

/** Shows the policy that the settings make: its manifest, and in words which requests it gets. */
function showPolicy(mode, { valid, settings }) {
  const convert = (language) => (valid ? convertSettings(settings, language) : undefined);
  const converted = convert(language);
  const isOlder = Boolean(converted?.ok) && !isSame(converted.settings, settings);
  element('version-2').hidden = !isOlder;
  const isConverted = isOlder && element('converted').checked;
  const used = isConverted ? converted.settings : settings;
  const compiled = valid ? conditions(used, mode, language) : undefined;
  let manifest = '';
  if (compiled?.ok) {
    // Comments in files are in English, as those of the command.
    const notes = isConverted ? convert().notes : [];
    manifest = policyManifest(mode, used, conditions(used, mode), notes);
    const items = (lines) => make('ul', ...lines.map((line) => make('li', line)));
    const notesHere = [...compiled.notes, ...(isConverted ? converted.notes : [])];
    element('passing').replaceChildren(
      make('p', text.passing),
      items(compiled.words),
      items(notesHere),
    );
  } else {
    element('passing').replaceChildren(make('p', text.policyErrors));
  }
  element('policy-manifest').hidden = manifest === '';
  showText(element('policy-manifest'), manifest, text.policyLabel);
  shown.policy = { name: 'datakit-injection-policy.yaml', text: manifest };
}

/** Whether two settings are written alike. */
function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Marks errors and notes in an editor, and lists them with their lines. */
function list(view, parent, problems) {
  const entries = mark(view, problems).map(({ from, message, severity }) => {
    const { number } = view.state.doc.lineAt(from);
    const isError = severity === 'error';
    const button = make('button', (isError ? text.error : text.note)(number, message));
    button.type = 'button';
    button.className = isError ? 'error' : 'note';
    button.addEventListener('click', () => reveal(view, from));
    return make('li', button);
  });
  parent.replaceChildren(...entries);
}

function show(manifests, results, errors, { ok: isRead, notes, placeOf }) {
  const expected = results.map(({ object, mutation }) => (mutation.ok ? mutation.object : object));
  const patches = results.map(({ mutation }) => (mutation.ok ? mutation.patch : []));
  const { before, after } = patchedText(manifests, patches, expected);
  showDiff(element('diff'), before, after, text);
  const names = expected.map(({ metadata }) => metadata?.name ?? metadata?.generateName);
  const name = names.length === 1 ? String(names[0] ?? '') : '';
  const base = /^[a-z0-9][a-z0-9.-]*$/.test(name) ? name.replace(/-$/, '') : 'manifest';
  shown.diff = { name: `${base}-injected.yaml`, text: after };

  const patch = JSON.stringify(patches.length === 1 ? patches[0] : patches, null, 2);
  element('patch').querySelector('pre').textContent = patch;
  shown.patch = { name: `${base}-patch.json`, text: patch };

  const explanations = results.flatMap(({ object, mutation }) =>
    mutation.ok ? [{ object, ...mutation.explanation }] : [],
  );
  const warnings = explanations.flatMap((explanation) => explanation.warnings);
  element('warnings').replaceChildren(...warnings.map((warning) => make('li', warning)));
  element('explanation').replaceChildren(...explanations.flatMap((it) => explain(it, placeOf)));

  const injected = explanations.flatMap(({ injected }) =>
    injected.map(({ injection }) => injection),
  );
  const what =
    injected.length > 0
      ? text.injected(injected)
      : text.nothing(isRead ? reasonOf(explanations, text) : text.reasons.unread());
  const count =
    (errors > 0 ? text.errors(errors) : '') + (notes.length > 0 ? text.notes(notes.length) : '');
  element('summary').textContent = what + count;
}

/** The explanation of one object: what was done, then what was considered, with links to rules. */
function explain(explanation, placeOf) {
  const { object, workload, namespace, reason, release, steps } = explanation;
  const { injected, present, skipped, removed } = explanation;
  const { outcome } = text;
  const link = (rule) => linkTo(rule, placeOf);
  const outcomes = [
    ...injected.map(({ injection, rule }) => [outcome.injected(injection), link(rule)]),
    ...present.map((injection) => [outcome.present(injection)]),
    ...skipped.map(({ injection, reason }) => [outcome.skipped(injection, reason)]),
    ...removed.map((injection) => [outcome.removed(injection)]),
    ...(reason ? [[outcome.nothing(reason.message)]] : []),
  ];
  const chosen = outcomes.map((parts) => {
    const entry = make('li', ...parts);
    entry.className = 'chosen';
    return entry;
  });
  const considered = steps.map(({ injection, rule, message }) =>
    make('li', `${text.step(injection, message)} `, link(rule)),
  );
  const isNamed = Boolean(object?.metadata?.namespace);
  const context = [
    (isNamed ? text.ofManifest : text.ofField)(namespace),
    ...(operation.value === 'UPDATE' ? [text.asUpdate] : []),
    release,
  ].map((line) => make('p', line));
  const heading = make('h3', workload || text.noObject);
  return [heading, make('ul', ...chosen), ...context, make('ul', ...considered)];
}

/** A link from a rule to its line in the settings; its path alone where they do not have it as a line. */
function linkTo(rule, placeOf) {
  const { from, to } = (rule && placeOf(rule)) || {};
  if (!to) return make('code', rule ?? '');
  const button = make(
    'button',
    make('code', rule),
    ` ${text.line(settings.state.doc.lineAt(from).number)}`,
  );
  button.type = 'button';
  button.className = 'link';
  button.addEventListener('click', () => reveal(settings, from));
  return button;
}

function make(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** The latest write to the address; earlier ones are dropped. */
let latest;

/** Puts a state into the address. */
async function save(saved) {
  const mine = {};
  latest = mine;
  const fragment = await pack(saved, chosenLanguage);
  if (latest !== mine) return false;
  if (fragment === undefined) element('status').textContent = text.tooLargeForLink;
  history.replaceState(null, '', fragment === undefined ? location.pathname : `#${fragment}`);
  return fragment !== undefined;
}

function choose({ settings: rules, manifest: object, ...of }) {
  setText(settings, rules);
  setText(manifest, object);
  namespace.value = of.namespace ?? request.namespace;
  operation.value = of.operation ?? request.operation;
  mode.value = of.mode ?? request.mode;
  decide();
}

/** Writes the texts of a language into the page. */
function speak(spoken) {
  language = spoken;
  text = texts[language];
  document.documentElement.lang = text.lang;
  document.title = text.title;
  document.querySelector('meta[name="description"]').content = text.description;
  for (const node of document.querySelectorAll('[data-text]')) {
    node.textContent = text[node.dataset.text];
  }
  for (const node of document.querySelectorAll('[data-label]')) {
    node.setAttribute('aria-label', text[node.dataset.label]);
  }
  for (const node of document.querySelectorAll('[data-title]')) {
    node.title = text[node.dataset.title];
  }
  element('language').value = language;
  const nav = element('documents');
  nav.setAttribute('aria-label', text.documents);
  const links = Object.entries(documents[language]).map(([name, address]) => {
    const link = make('a', text[name]);
    link.href = address;
    link.rel = 'noreferrer';
    return link;
  });
  nav.replaceChildren(...links);
  const own = new Option(text.ownExample, '');
  own.hidden = true;
  const options = examples.map(({ key }) => new Option(text.examples[key], key));
  element('example').replaceChildren(own, ...options);
  labelButtons();
  rename(settings, text.settingsLabel);
  rename(manifest, text.manifestLabel);
}

element('example').addEventListener('change', ({ target }) =>
  choose(examples.find(({ key }) => key === target.value).state),
);
element('language').addEventListener('change', ({ target }) => {
  chosenLanguage = target.value;
  speak(chosenLanguage);
  decide();
});
namespace.addEventListener('input', changed);
operation.addEventListener('change', decide);
mode.addEventListener('change', decide);

element('share').addEventListener('click', async () => {
  decide();
  if (!(await save(state()))) return;
  element('status').textContent = await copy(location.href, text.linkCopied, text.linkInAddress);
});

/** Writes what the buttons beside the tabs do; nothing can be done with an empty text. */
function labelButtons() {
  const [copy, save] = [document.querySelector('[data-copies=shown]'), element('download')];
  copy.textContent = text.copyShown[panel];
  save.textContent = text.downloadShown[panel] ?? '';
  save.hidden = shown[panel]?.name === undefined;
  copy.disabled = save.disabled = !shown[panel]?.text;
}

const copied = {
  settings: () => state().settings,
  manifest: () => state().manifest,
  shown: () => shown[panel].text,
};
for (const button of document.querySelectorAll('[data-copies]')) {
  button.addEventListener('click', async () => {
    decide();
    element('status').textContent = await copy(copied[button.dataset.copies](), text.copied);
  });
}

/** Copies a text; gives what to say. */
async function copy(copied, done, refused = text.copyRefused) {
  try {
    await navigator.clipboard.writeText(copied);
    return done;
  } catch {
    return refused;
  }
}
element('download').addEventListener('click', () => {
  decide();
  download(shown[panel].name, shown[panel].text);
});
element('converted').addEventListener('change', decide);
for (const [name, view] of Object.entries({ settings, manifest })) {
  const refuse = (reason, file) => {
    element('status').textContent = text[reason](file);
  };
  const put = (read) => {
    setText(view, read);
    decide();
  };
  const [button, input] = [`[data-opens=${name}]`, `[data-into=${name}]`].map((selector) =>
    document.querySelector(selector),
  );
  takeFiles(element(`${name}-section`), button, input, put, refuse);
}
ignoreOtherDrops();

/** Puts the result where it is read first; the focus moves in the same order. */
function arrange() {
  const [main, result] = [document.querySelector('main'), element('result')];
  if (NARROW.matches) main.prepend(result);
  else main.append(result);
}
NARROW.addEventListener('change', arrange);
arrange();
startTabs((opened) => {
  panel = opened;
  labelButtons();
});

async function open() {
  const { state, language } = await unpack(location.hash.slice(1));
  chosenLanguage = language !== null && Object.hasOwn(texts, language) ? language : undefined;
  speak(chosenLanguage ?? preferred(navigator.language));
  choose(state ?? examples[0].state);
}
addEventListener('hashchange', open);
await open();
