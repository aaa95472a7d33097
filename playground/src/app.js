// The page: two editors in, the decision of the policy out.

import { mutate, validateSettings } from 'datakit-injection';
import { readManifests, readSettings, write } from './documents.js';
import { editor, mark, reveal, setText, showDiff } from './editor.js';
import { examples } from './examples.js';
import { pack, unpack } from './link.js';

/** Long enough to end a word in. */
const PAUSE = 150;

const element = (id) => document.getElementById(id);

let timer;
const changed = () => {
  clearTimeout(timer);
  timer = setTimeout(decide, PAUSE);
};
const settings = editor(element('settings'), 'Settings, as YAML or JSON', changed);
const manifest = editor(element('manifest'), 'Manifest, as YAML or JSON', changed);

function decide() {
  clearTimeout(timer);
  const read = readSettings(settings.state.doc.toString());
  const { errors } = validateSettings(read.value);
  const faults = [
    ...read.faults,
    ...errors.map(({ path, message }) => ({
      ...read.placeOf(path),
      message: path === '' ? message : `${path}: ${message}`,
    })),
  ];
  listFaults(settings, element('faults'), faults);
  element('kind').textContent = read.kind === '' ? '' : `Read from ${read.kind}.`;

  const { objects, faults: broken } = readManifests(manifest.state.doc.toString());
  listFaults(manifest, element('manifest-faults'), broken);

  const mutations = objects.map((object) =>
    mutate({ operation: 'CREATE', namespace: 'default', object }, read.value),
  );
  show(objects, mutations, faults.length + broken.length);
}

/** Marks faults in an editor, and lists them with their lines. */
function listFaults(view, list, faults) {
  const entries = mark(view, faults).map(({ from, message }) => {
    const { number } = view.state.doc.lineAt(from);
    const button = make('button', `Line ${number}: ${message}`);
    button.type = 'button';
    button.addEventListener('click', () => reveal(view, from));
    return make('li', button);
  });
  list.replaceChildren(...entries);
}

function show(objects, mutations, faults) {
  const after = mutations.map((mutation, index) =>
    mutation.ok ? mutation.object : objects[index],
  );
  showDiff(element('diff'), write(objects), write(after));

  const patches = mutations.map((mutation) => (mutation.ok ? mutation.patch : mutation.errors));
  const patch = patches.length === 1 ? patches[0] : patches;
  element('patch').querySelector('pre').textContent = JSON.stringify(patch, null, 2);

  const warnings = mutations.flatMap((mutation) =>
    mutation.ok
      ? mutation.warnings
      : mutation.errors.map(({ path, message }) => `${path} ${message}`),
  );
  element('warnings').replaceChildren(...warnings.map((warning) => make('li', warning)));

  const explanations = mutations.filter(({ ok }) => ok).map(({ explanation }) => explanation);
  element('explanation').replaceChildren(...explanations.flatMap(explained));

  const injected = explanations.flatMap(({ injected }) =>
    injected.map(({ injection }) => injection),
  );
  const what = injected.length === 0 ? 'Nothing is injected.' : `Injected: ${injected.join(', ')}.`;
  const count = faults === 0 ? '' : ` ${faults} ${faults === 1 ? 'fault' : 'faults'}.`;
  element('summary').textContent = what + count;
}

/** The explanation of one object: what came of it, then what was looked at. */
function explained({ workload, reason, steps, injected, present, skipped }) {
  const outcome = [
    ...injected.map(({ injection, rule }) => ['injected', injection, `by ${rule}`]),
    ...present.map((injection) => ['present', injection, 'is there already']),
    ...skipped.map(({ injection, reason }) => ['skipped', injection, reason]),
    ...(reason ? [['nothing to do', '', reason.message]] : []),
  ];
  const outcomes = outcome.map(([what, injection, why]) => {
    const entry = make('li', `${what} ${injection}: ${why}`.replace(' :', ':'));
    entry.className = 'chosen';
    return entry;
  });
  const looked = steps.map(({ injection, rule, message }) => {
    const where = make('code', rule ?? '');
    return make('li', `${injection}: ${message} `, where);
  });
  return [make('h3', workload || 'No object'), make('ul', ...outcomes, ...looked)];
}

function make(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function choose({ settings: rules, manifest: object }) {
  setText(settings, rules);
  setText(manifest, object);
  decide();
}

const select = element('example');
select.append(...examples.map(({ name }, index) => new Option(name, String(index))));
select.addEventListener('change', () => choose(examples[Number(select.value)]));

element('share').addEventListener('click', async () => {
  const state = {
    settings: settings.state.doc.toString(),
    manifest: manifest.state.doc.toString(),
  };
  history.replaceState(null, '', `#${await pack(state)}`);
  try {
    await navigator.clipboard.writeText(location.href);
    element('shared').textContent = 'Link copied.';
  } catch {
    element('shared').textContent = 'The link is in the address bar.';
  }
});

// Tabs, as the ARIA Authoring Practices Guide has them: arrows move, one tab stop.
const tabs = [...document.querySelectorAll('[role="tab"]')];
function activate(chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute('aria-selected', String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    element(tab.getAttribute('aria-controls')).hidden = !isChosen;
  }
}
for (const [index, tab] of tabs.entries()) {
  tab.addEventListener('click', () => activate(tab));
  tab.addEventListener('keydown', ({ key }) => {
    const steps = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 };
    if (!(key in steps)) return;
    const next = tabs.at(steps[key] % tabs.length);
    activate(next);
    next.focus();
  });
}
activate(tabs[0]);

async function open() {
  const linked = await unpack(location.hash.slice(1));
  choose(linked ?? examples[0]);
}
window.addEventListener('hashchange', open);
await open();
