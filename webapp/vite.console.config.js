import { defineConfig } from 'vite';

// The console of the harness (/__mock/), a page of its own beside the app: it becomes a part of the Python package.
export default defineConfig({
  root: 'console',
  base: '/__mock/console/',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../mockserver/flask_apps/console_page',
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the CSP takes no data: addresses
  },
});
