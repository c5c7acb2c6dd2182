import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

// The site's configuration is deployed from among the built files. The page may ask one other origin, where it is built
// for that: the function app that answers directly.
const direct = process.env.DIRECT_ORIGIN ?? '';
if (direct && new URL(direct).origin !== direct) throw new Error(`DIRECT_ORIGIN=${direct} is no origin`);
const swaConfig = {
  name: 'staticwebapp-config',
  generateBundle() {
    const fileName = 'staticwebapp.config.json';
    const written = readFileSync(fileName, 'utf8');
    const source = written.replace("connect-src 'self'", `connect-src 'self' ${direct}`.trimEnd());
    this.emitFile({ type: 'asset', fileName, source });
  },
};

export default defineConfig({
  appType: 'mpa', // what is not there is not found; only the site's configuration rewrites
  plugins: [swaConfig],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the CSP takes no data: addresses
    rollupOptions: { input: ['index', 'register', 'unauthorized', 'usage', 'purge', '404'].map((page) => `${page}.html`) },
  },
});
