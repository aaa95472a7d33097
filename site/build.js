// Builds the site into dist/: the documents, and the page in playground/. With --serve, serves it on
// loopback.

import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle, context } from 'esbuild';
import { builder } from '../playground/build.js';
import { listPages, render } from './pages.js';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Builds the site; links to what is not in it lead to the repository at `ref`. */
export async function build(folder, ref) {
  rmSync(folder, { recursive: true, force: true });
  const pages = listPages();
  const site = { pages, ref, files: new Set() };
  const put = (name) => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    return file;
  };
  for (const page of pages) writeFileSync(put(page.address), render(page, site));
  for (const file of site.files) copyFileSync(path(`../${file}`), put(file));
  const styles = { entryPoints: { site: path('style.css') }, bundle: true, minify: true };
  await bundle({ ...styles, outdir: folder });
  const places = pages.map(({ path, address }) => [path, `../${address}`]);
  const page = await builder({
    outdir: join(folder, 'playground'),
    define: { DOCUMENTS: JSON.stringify(Object.fromEntries(places)) },
  });
  await page.rebuild();
  await page.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = path('dist');
  await build(folder, process.env.SITE_REF || 'main');
  if (process.argv.includes('--serve')) {
    const server = await context({});
    const { port } = await server.serve({ servedir: folder, host: '127.0.0.1', port: 8000 });
    console.log(`open http://127.0.0.1:${port}/`);
  } else {
    console.log(`built ${folder}`);
  }
}
