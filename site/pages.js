// The documents as pages: the README and every file of docs/, in both languages.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { yamlLanguage } from '@codemirror/lang-yaml';
import { classHighlighter, highlightCode } from '@lezer/highlight';
import GithubSlugger from 'github-slugger';
import { Marked } from 'marked';

const ROOT = new URL('../', import.meta.url);
const REPOSITORY = 'https://github.com/GuanceCloud/datakit-injection-policy';

const at = (path) => new URL(path, ROOT);
const read = (path) => readFileSync(at(path), 'utf8');

/** The languages: where each has its first page and the others, and where its pages are in the site. */
export const LANGUAGES = [
  {
    lang: 'en',
    name: 'English',
    readme: 'README.md',
    docs: 'docs',
    folder: '',
    site: 'Site',
    playground: 'Playground',
    documents: 'Documents',
  },
  {
    lang: 'zh-CN',
    name: '中文',
    readme: 'README.zh-CN.md',
    docs: 'docs/zh-CN',
    folder: 'zh-CN/',
    site: '站点',
    playground: '演练场',
    documents: '文档',
  },
];

/** The pages: the first one of each language, then the others in the order in which it links to them. */
export function listPages() {
  return LANGUAGES.flatMap((language) => {
    const { readme, docs, folder } = language;
    const first = read(readme);
    const place = (path) => (first.indexOf(`(${path}`) + first.length + 1) % (first.length + 1);
    const others = readdirSync(at(docs))
      .filter((name) => name.endsWith('.md'))
      .map((name) => ({ path: `${docs}/${name}`, address: `${folder}${name.slice(0, -3)}.html` }))
      .sort((one, other) => place(one.path) - place(other.path));
    return [{ path: readme, address: `${folder}index.html` }, ...others].map((page) => {
      const markdown = read(page.path);
      const title = /^# (.+)$/m.exec(markdown)?.[1] ?? page.path;
      return { ...page, language, markdown, title: title.replaceAll('`', '') };
    });
  });
}

const escaped = (text) =>
  text.replace(
    /[&<>"]/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char],
  );

/** The address of one page of the site from another. */
const from = (page, address) => posix.relative(posix.dirname(page.address), address) || './';

/**
 * Where a link of a document leads in the site: to a page, to a file that is copied with the pages
 * (added to `files`), else to the repository at `ref`.
 */
function resolve(href, page, { pages, ref, files }) {
  const own = href.startsWith(`${REPOSITORY}/blob/main/`);
  if (!own && (/^[a-z]+:|^\/\//i.test(href) || href.startsWith('#'))) return href;
  const [target, ...fragment] = href.replace(`${REPOSITORY}/blob/main/`, '').split('#');
  const hash = fragment.length > 0 ? `#${fragment.join('#')}` : '';
  const base = own ? '' : posix.dirname(page.path);
  const path = posix.join(base, decodeURI(target)).replace(/\/$/, '');
  const found = pages.find((other) => other.path === path);
  if (found) return from(page, found.address) + hash;
  if (/\.(png|svg|jpg)$/.test(path)) {
    files.add(path);
    return from(page, path);
  }
  const isFolder = !posix.extname(path) && existsSync(at(`${path}/`));
  return `${REPOSITORY}/${isFolder ? 'tree' : 'blob'}/${ref}/${path}${hash}`;
}

/** YAML in spans with classes. */
function coloured(text) {
  let html = '';
  const put = (code, classes) => {
    html += classes ? `<span class="${classes}">${escaped(code)}</span>` : escaped(code);
  };
  highlightCode(text, yamlLanguage.parser.parse(text), classHighlighter, put, () => put('\n', ''));
  return html;
}

/** The HTML of a document, its headings of the second level, and its first paragraph. */
function converted(page, site) {
  const slugger = new GithubSlugger();
  const headings = [];
  let description;
  const renderer = {
    heading({ tokens, depth }) {
      const html = this.parser.parseInline(tokens);
      const plain = this.parser.parseInline(tokens, this.parser.textRenderer);
      const id = slugger.slug(plain.replace(/<[^>]*>/g, ''));
      if (depth === 2) headings.push({ id, html: html.replace(/<\/?a\b[^>]*>/g, '') });
      return `<h${depth} id="${id}">${html}</h${depth}>\n`;
    },
    code({ text, lang }) {
      const html = lang === 'yaml' ? coloured(text) : escaped(text);
      return `<pre tabindex="0"><code>${html}</code></pre>\n`;
    },
  };
  const walkTokens = (token) => {
    // Links alone are no description: badges, the other language.
    if (token.type === 'paragraph' && /^[^![<]/.test(token.text)) description ??= token.text;
    if (token.type === 'link' || token.type === 'image') {
      token.href = resolve(token.href, page, site);
    } else if (token.type === 'html') {
      const attribute = /\b(href|src)="([^"]*)"/g;
      token.text = token.text.replace(
        attribute,
        (_, name, href) => `${name}="${resolve(href, page, site)}"`,
      );
    }
  };
  const html = new Marked({ renderer, walkTokens }).parse(page.markdown);
  const wide = html
    .replaceAll('<th></th>', '<td></td>')
    .replaceAll('<table>', '<div class="wide" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>');
  return { html: wide, headings, description: description ?? page.title };
}

/** A whole page. `site` has all `pages`, the `ref` of the repository, and takes `files` to copy. */
export function render(page, site) {
  const { language, title } = page;
  const { html, headings, description } = converted(page, site);
  const link = (address, text) => `<a href="${from(page, address)}">${text}</a>`;
  const inner = headings.map(({ id, html }) => `<li><a href="#${id}">${html}</a></li>`).join('');
  const entry = (other) =>
    other === page
      ? `<li><a href="#top" aria-current="page">${escaped(other.title)}</a><ul>${inner}</ul></li>`
      : `<li>${link(other.address, escaped(other.title))}</li>`;
  const siblings = site.pages.filter((other) => other.language === language);
  const nameOf = ({ language, address }) => address.slice(language.folder.length);
  const others = LANGUAGES.filter((other) => other !== language).map((other) => {
    const ofOther = site.pages.filter((candidate) => candidate.language === other);
    const same = ofOther.find((candidate) => nameOf(candidate) === nameOf(page)) ?? ofOther[0];
    return `<a href="${from(page, same.address)}" lang="${other.lang}">${other.name}</a>`;
  });
  const first = siblings[0];
  return `<!doctype html>
<html lang="${language.lang}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta
      http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'"
    />
    <meta name="description" content="${firstSentence(description)}" />
    <title>${escaped(page === first ? title : `${title} · ${first.title}`)}</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${from(page, 'site.css')}" />
  </head>
  <body id="top">
    <header>
      <strong>${link(first.address, escaped(first.title))}</strong>
      <nav aria-label="${language.site}">
        ${link('playground/index.html', language.playground)}
        <a href="${REPOSITORY}">GitHub</a>
        ${others.join('\n        ')}
      </nav>
    </header>
    <nav class="pages" aria-label="${language.documents}"><ul>${siblings.map(entry).join('')}</ul></nav>
    <main>${html}</main>
  </body>
</html>
`;
}

/** The first sentence of a paragraph, as an attribute. */
function firstSentence(markdown) {
  const text = markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[*`]/g, '');
  return escaped(text.replace(/\s+/g, ' ').split(/(?<=[.。]) ?/)[0]);
}
