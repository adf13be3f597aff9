// Builds the page into dist/: static files with relative URLs, to be laid beside any octree.
import { readFileSync } from 'node:fs';

// What is bundled asks for its licence to be passed on.
const licences = {
  name: 'licences',
  generateBundle() {
    const texts = ['three', 'potree-core', 'brotli'].map((name) => {
      const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
      const text = name === 'brotli' ? '' : readFileSync(`node_modules/${name}/LICENSE`, 'utf8');
      return `${name} ${version} (${license})\n\n${text}`;
    });
    this.emitFile({ type: 'asset', fileName: 'assets/licences.txt', source: texts.join('\n\n') });
  },
};

export default {
  base: './',
  build: {
    target: 'es2022',
    modulePreload: false,
    // potree-core carries its decoders as text, so it is one large file; gzipped it is a quarter of that.
    chunkSizeWarningLimit: 1200,
  },
  plugins: [licences],
};
