// The page: two editors in, the decision of the policy out.

import { conditions, convertSettings, mutate } from 'datakit-injection';
import { patchedText, readManifests, readSettings } from './documents.js';
import { editor, mark, rename, reveal, setText, showDiff } from './editor.js';
import { examples, request } from './examples.js';
import { download, ignoreOtherDrops, takeFiles } from './files.js';
import { pack, unpack } from './link.js';
import { policyManifest } from './policy.js';
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
const settings = editor(element('settings'), '', changed);
const manifest = editor(element('manifest'), '', changed);
const [namespace, operation, mode] = ['namespace', 'operation', 'mode'].map(element);

/** The language that was chosen, by the user or by a link; else the browser decides. */
let chosenLanguage;
/** The language of the page. */
let language = 'en';
let text = texts[language];

/** What the buttons download. */
const files = { policy: '', converted: '', manifest: { name: '', text: '' } };

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

  files.policy = policyOf(now.mode, read.valid, read.settings);
  const downloads = element('download-policy');
  downloads.disabled = files.policy === '';
  downloads.title = downloads.disabled ? text.downloadPolicyErrors : text.downloadPolicyTitle;
  const converted = read.valid ? convertSettings(read.settings) : undefined;
  files.converted = converted?.ok
    ? policyOf(now.mode, true, converted.settings, converted.notes)
    : '';
  element('download-converted').hidden = files.converted === '' || files.converted === files.policy;

  const manifests = readManifests(now.manifest);
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
  show(manifests, results, errors, read.notes.length);
}

/** The manifest of a policy with settings, and with notes about them; nothing where they have errors. */
function policyOf(mode, valid, settings, notes = []) {
  const compiled = valid ? conditions(settings, mode) : undefined;
  return compiled?.ok ? policyManifest(mode, settings, compiled, notes) : '';
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

function show(manifests, results, errors, notes) {
  const expected = results.map(({ object, mutation }) => (mutation.ok ? mutation.object : object));
  const patches = results.map(({ mutation }) => (mutation.ok ? mutation.patch : []));
  const { before, after } = patchedText(manifests, patches, expected);
  showDiff(element('diff'), before, after, text);

  const names = expected.map((object) => object?.metadata?.name);
  const name = names.length === 1 && /^[a-z0-9.-]+$/.test(names[0]) ? names[0] : 'manifest';
  files.manifest = { name: `${name}-injected.yaml`, text: after };
  element('download-manifest').disabled = after === '';

  const patch = patches.length === 1 ? patches[0] : patches;
  element('patch').querySelector('pre').textContent = JSON.stringify(patch, null, 2);

  const mutations = results.map(({ mutation }) => mutation).filter(({ ok }) => ok);
  const warnings = mutations.flatMap(({ explanation }) => explanation.warnings);
  element('warnings').replaceChildren(...warnings.map((warning) => make('li', warning)));
  const explanations = results
    .filter(({ mutation }) => mutation.ok)
    .flatMap(({ object, mutation }) => explained(object, mutation.explanation));
  element('explanation').replaceChildren(...explanations);

  const injected = mutations.flatMap(({ explanation }) =>
    explanation.injected.map(({ injection }) => injection),
  );
  const what = injected.length === 0 ? text.nothingInjected : text.injected(injected);
  const count = (errors > 0 ? text.errors(errors) : '') + (notes > 0 ? text.notes(notes) : '');
  element('summary').textContent = what + count;
}

/** The explanation of one object: what was done, then what was considered. */
function explained(object, explanation) {
  const { workload, reason, release, steps } = explanation;
  const { injected, present, skipped, removed } = explanation;
  const { outcome } = text;
  const outcomes = [
    ...injected.map(({ injection, rule }) => outcome.injected(injection, rule)),
    ...present.map((injection) => outcome.present(injection)),
    ...skipped.map(({ injection, reason }) => outcome.skipped(injection, reason)),
    ...removed.map((injection) => outcome.removed(injection)),
    ...(reason ? [outcome.nothing(reason.message)] : []),
  ];
  const chosen = outcomes.map((outcome) => {
    const entry = make('li', outcome);
    entry.className = 'chosen';
    return entry;
  });
  const considered = steps.map(({ injection, rule, message }) =>
    make('li', `${text.step(injection, message)} `, make('code', rule ?? '')),
  );
  const isNamed = Boolean(object?.metadata?.namespace);
  const context = [
    (isNamed ? text.ofManifest : text.ofField)(explanation.namespace),
    ...(operation.value === 'UPDATE' ? [text.asUpdate] : []),
  ].map((line) => make('p', line));
  const heading = make('h3', workload || text.noObject);
  const releaseLine = make('p', release);
  return [heading, make('ul', ...chosen), ...context, releaseLine, make('ul', ...considered)];
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
  try {
    await navigator.clipboard.writeText(location.href);
    element('status').textContent = text.linkCopied;
  } catch {
    element('status').textContent = text.linkInAddress;
  }
});
element('download-policy').addEventListener('click', () => {
  decide();
  download('datakit-injection-policy.yaml', files.policy);
});
element('download-converted').addEventListener('click', () => {
  decide();
  download('datakit-injection-policy.yaml', files.converted);
});
element('download-manifest').addEventListener('click', () => {
  decide();
  download(files.manifest.name, files.manifest.text);
});
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
startTabs();

async function open() {
  const { state, language } = await unpack(location.hash.slice(1));
  chosenLanguage = language !== null && Object.hasOwn(texts, language) ? language : undefined;
  speak(chosenLanguage ?? preferred(navigator.language));
  choose(state ?? examples[0].state);
}
addEventListener('hashchange', open);
await open();
