import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

// The site's configuration is deployed from among the built files.
const swaConfig = {
  name: 'staticwebapp-config',
  generateBundle() {
    const fileName = 'staticwebapp.config.json';
    this.emitFile({ type: 'asset', fileName, source: readFileSync(fileName) });
  },
};

export default defineConfig({
  plugins: [swaConfig],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the CSP takes no data: addresses
    rollupOptions: { input: ['index.html', 'unauthorized.html'] },
  },
});
