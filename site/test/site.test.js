// The built site: its pages, its links, and how it is read.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { context } from 'esbuild';
import { launch } from '../../playground/test/browser.js';
import { build } from '../build.js';
import { LANGUAGES, listPages } from '../pages.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const ROOT = new URL('../../', import.meta.url);
const BASE = 'https://site.example/';
const REF = 'v9.9.9';
const REPOSITORY = 'https://github.com/GuanceCloud/datakit-injection-policy';

const folder = mkdtempSync(join(tmpdir(), 'site-'));
const pages = listPages();

before(() => build(folder, REF));
after(() => rmSync(folder, { recursive: true, force: true }));

const html = (address) => readFileSync(join(folder, address), 'utf8');
const attributes = (text, name) =>
  Array.from(text.matchAll(new RegExp(`\\b${name}="([^"]*)"`, 'g')), ([, value]) => value);

test('has every document, the README first', () => {
  for (const { lang, readme, docs, folder } of LANGUAGES) {
    const ofLanguage = pages.filter(({ language }) => language.lang === lang);
    const names = readdirSync(new URL(docs, ROOT)).filter((name) => name.endsWith('.md'));
    const expected = [readme, ...names.map((name) => `${docs}/${name}`)];
    assert.deepEqual(ofLanguage.map(({ path }) => path).sort(), expected.sort());
    assert.equal(ofLanguage[0].address, `${folder}index.html`);
    for (const { address, title } of ofLanguage) {
      const page = html(address);
      assert(page.startsWith(`<!doctype html>\n<html lang="${lang}">`), address);
      assert.match(page, /<main><(?:h1|p|a)\b/, address);
      const heading = /<h1[^>]*>(.*?)<\/h1>/.exec(page)[1].replace(/<[^>]*>/g, '');
      assert.equal(heading, title);
      assert.match(page, /<meta name="description" content="[^"]{4,}" \/>/, address);
      assert.doesNotMatch(page, /<script/, 'a page needs none');
      assert.match(page, /content="default-src 'none';/);
    }
  }
});

test('lists documents as the README does', () => {
  for (const { readme, docs, lang } of LANGUAGES) {
    const linked = Array.from(
      readFileSync(new URL(readme, ROOT), 'utf8').matchAll(/\]\(([^)#]+\.md)[)#]/g),
      ([, path]) => path,
    ).filter((path) => path.startsWith(`${docs}/`) && !path.slice(docs.length + 1).includes('/'));
    const listed = pages.filter(({ language }) => language.lang === lang).slice(1);
    const order = [...new Set(linked)];
    assert.deepEqual(
      listed.slice(0, order.length).map(({ path }) => path),
      order,
    );
  }
});

test('has no link that leads nowhere', () => {
  const ids = new Map(
    pages.map(({ address }) => [address, new Set(attributes(html(address), 'id'))]),
  );
  let own = 0;
  let toRepository = 0;
  for (const { address } of pages) {
    const page = html(address);
    for (const link of [...attributes(page, 'href'), ...attributes(page, 'src')]) {
      const url = new URL(link, BASE + address);
      const where = `${link} in ${address}`;
      if (url.href.startsWith(BASE)) {
        const path = decodeURI(url.pathname).slice(1);
        assert(existsSync(join(folder, path)), where);
        assert(!path.endsWith('/') && !path.endsWith('.md'), where);
        if (url.hash) assert(ids.get(path).has(decodeURIComponent(url.hash.slice(1))), where);
        own += 1;
      } else if (
        url.href.startsWith(`${REPOSITORY}/blob/`) ||
        url.href.startsWith(`${REPOSITORY}/tree/`)
      ) {
        const [, kind, ref, path] = /policy\/(blob|tree)\/([^/]+)\/([^#]*)/.exec(url.href);
        assert.equal(ref, REF, where);
        const entry = new URL(path + (kind === 'tree' ? '/' : ''), ROOT);
        assert(existsSync(entry), where);
        assert(!pages.some((page) => page.path === path), `${where} is in the site`);
        toRepository += 1;
      }
    }
  }
  assert(
    own > 50 && toRepository > 5,
    `${own} links in the site, ${toRepository} to the repository`,
  );
});

test('leads from each page to the same one in the other language', () => {
  const other = (address) => {
    const [, nav] = /<header>(.*?)<\/header>/s.exec(html(address));
    const [, link] = /href="([^"]*)" lang=/.exec(nav);
    return new URL(link, BASE + address).href.slice(BASE.length);
  };
  assert.equal(other('index.html'), 'zh-CN/index.html');
  assert.equal(other('zh-CN/index.html'), 'index.html');
  for (const { address, language } of pages.filter(({ language }) => language.folder !== '')) {
    const english = address.slice(language.folder.length);
    assert.equal(other(address), english);
    assert.equal(other(english), address);
  }
});

test('can be read by anybody, and has the playground with links to its documents', async () => {
  const server = await context({});
  const { port } = await server.serve({ servedir: folder, host: '127.0.0.1', port: 0 });
  const address = `http://127.0.0.1:${port}/`;
  const browser = await launch();
  try {
    for (const options of [
      { colorScheme: 'light', viewport: { width: 1400, height: 900 } },
      { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
    ]) {
      const session = await browser.newContext({ ...options, bypassCSP: true });
      session.setDefaultTimeout(30_000);
      const tab = await session.newPage();
      for (const page of pages) {
        await tab.goto(address + page.address);
        await tab.addScriptTag({ path: AXE });
        const { violations } = await tab.evaluate(() => globalThis.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
        assert.deepEqual(found, [], page.address);
        const overflow = await tab.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(overflow, 0, `nothing of ${page.address} sticks out sideways`);
      }
      await tab.goto(address);
      await tab.getByRole('link', { name: 'Playground' }).click();
      await tab.locator('#summary:not(:empty)').waitFor();
      await tab.getByRole('link', { name: 'Settings', exact: true }).click();
      await tab.waitForURL(`${address}settings.html`);
      await session.close();
    }
  } finally {
    await browser.close();
    await server.dispose();
  }
});
