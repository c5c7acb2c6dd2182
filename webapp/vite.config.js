import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';
import { siteConfig } from './site-config.js';

// The site's configuration is deployed from among the built files.
const { DIRECT_ORIGIN: direct, SITE_IP_RANGES: ranges } = process.env;
const swaConfig = {
  name: 'staticwebapp-config',
  generateBundle() {
    const fileName = 'staticwebapp.config.json';
    this.emitFile({ type: 'asset', fileName, source: siteConfig(readFileSync(fileName, 'utf8'), { direct, ranges }) });
  },
};

export default defineConfig({
  appType: 'mpa', // what is not there is not found; only the site's configuration rewrites
  plugins: [swaConfig],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the CSP takes no data: addresses
    rollupOptions: { input: ['index', 'register', 'unauthorized', 'usage', 'purge', '404', 'diagram'].map((page) => `${page}.html`) },
  },
});
