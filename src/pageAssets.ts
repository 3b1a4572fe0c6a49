import { readFileSync } from 'node:fs';
import type { PageAssets } from './pageTypes.js';

/** What `npm run build` makes of src/page; as far from here as from the compiled form of this file. */
const BUILT = new URL('../dist/page/', import.meta.url);

/** Script and style of the HTML report, read when they are needed. */
export function pageAssets(): PageAssets {
  const [script, style] = ['page.js', 'page.css'].map((name) =>
    readFileSync(new URL(name, BUILT), 'utf8'),
  );
  return { script: script!, style: style! };
}
