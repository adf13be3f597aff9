// Builds the pages into dist/: static files with relative URLs, so that they work below a proxy's prefix too.
import { readFileSync } from 'node:fs';

const BUNDLED = ['preact', '@preact/signals', '@preact/signals-core', 'eventsource-parser', 'swagger-ui-dist', 'tus-js-client'];
// What tus-js-client brings along.
const WITHIN = ['js-base64', 'url-parse', 'querystringify', 'requires-port'];

// What is bundled asks for its licence to be passed on.
const licences = {
  name: 'licences',
  generateBundle() {
    const texts = [...BUNDLED, ...WITHIN].map((name) => {
      const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
      const files = ['LICENSE', 'LICENSE.md', 'NOTICE'].flatMap((file) => read(`node_modules/${name}/${file}`));
      return [`${name} ${version} (${license})`, ...files].join('\n\n');
    });
    this.emitFile({ type: 'asset', fileName: 'assets/licences.txt', source: texts.join('\n\n') });
  },
};

function read(path) {
  try {
    return [readFileSync(path, 'utf8')];
  } catch {
    return [];
  }
}

export default {
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    modulePreload: false,
    // No file becomes a data: URL, which the page's Content-Security-Policy would have to allow.
    assetsInlineLimit: 0,
    // Swagger UI is one large file, which /docs alone loads.
    chunkSizeWarningLimit: 2000,
    rollupOptions: { input: ['index.html', 'docs.html'] },
  },
  plugins: [licences],
};
