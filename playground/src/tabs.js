// Tabs, as the ARIA Authoring Practices Guide has them: arrows move, one tab stop.

const tabs = [...document.querySelectorAll('[role="tab"]')];

/** Makes the tabs of the page work; `opened` gets the panel of each that is opened. */
export function startTabs(opened) {
  const activate = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute('aria-controls')).hidden = !isChosen;
    }
    opened(chosen.getAttribute('aria-controls'));
  };
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
}
