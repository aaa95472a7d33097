import init from './wasm/datakit_injection.js';

await init({ module_or_path: new URL('./wasm/datakit_injection_bg.wasm', import.meta.url) });

export * from './index.js';
