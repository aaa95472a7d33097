// Builds the page into dist/; with --serve, serves it on loopback and builds again on changes.

import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { context } from 'esbuild';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const wasm = 'wasm/datakit_injection_bg.wasm';

/** What esbuild makes of the page. The package is an entry of its own for tests to call. */
export function builder({ outdir = path('dist'), ...options } = {}) {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(join(outdir, 'wasm'), { recursive: true });
  copyFileSync(path(`../npm/${wasm}`), join(outdir, wasm));
  return context({
    entryPoints: {
      app: path('src/app.js'),
      style: path('src/style.css'),
      index: path('src/index.html'),
      'datakit-injection': 'datakit-injection',
    },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    loader: { '.html': 'copy', '.json': 'text', '.yaml': 'text' },
    ...options,
  });
}

/** Serves the page on a port of loopback; gives its address. */
export async function serve(context, port) {
  const served = await context.serve({ servedir: path('dist'), host: '127.0.0.1', port });
  return `http://127.0.0.1:${served.port}/`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const isServed = process.argv.includes('--serve');
  const page = await builder({ sourcemap: isServed });
  await page.rebuild();
  if (isServed) {
    await page.watch();
    console.log(`open ${await serve(page, 8000)}`);
  } else {
    await page.dispose();
  }
}
