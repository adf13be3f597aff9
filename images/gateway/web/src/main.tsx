// The page at "/": sign in, send photos, watch what becomes of them, look at the result.

import { render } from 'preact';
import { App } from './views/app';

const root = document.getElementById('app');
if (!root) throw new Error('index.html lacks #app');
render(<App />, root);
