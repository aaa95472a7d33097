import { readFileSync } from 'node:fs';
import { initSync } from './wasm/datakit_injection.js';

initSync({ module: readFileSync(new URL('./wasm/datakit_injection_bg.wasm', import.meta.url)) });

export * from './index.js';
