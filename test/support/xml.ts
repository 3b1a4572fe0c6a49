import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const CHROMIUM = '/usr/bin/chromium';

/** Whether there is a browser, whose XML parser is strict and not ours. */
export const HAS_BROWSER = existsSync(CHROMIUM);

export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  /** Elements; text between them is left out. */
  children: XmlElement[];
  /** All of the text in it. */
  text: string;
}

/** What runs in the browser: each text parsed, or what is wrong with it. */
function parseAll(texts: readonly string[]): string {
  return `
    const element = (node) => ({ name: node.nodeName, attributes: Object.fromEntries([...node.attributes].map(({ name, value }) => [name, value])), children: [...node.children].map(element), text: node.textContent });
    const parsed = ${JSON.stringify(texts).replaceAll('<', String.raw`\u003c`)}.map((text) => {
      const { documentElement } = new DOMParser().parseFromString(text, 'application/xml');
      const error = documentElement.querySelector('parsererror') ?? (documentElement.nodeName === 'parsererror' ? documentElement : null);
      return error ? error.textContent : element(documentElement);
    });
    document.body.textContent = encodeURIComponent(JSON.stringify(parsed));`;
}

/**
 * The root elements of XML documents, as a browser parses them; the error message of one that is not well-formed.
 *
 * @throws Error where there is no browser, or it does not answer
 */
export function parseXml(texts: readonly string[]): (XmlElement | string)[] {
  const folder = mkdtempSync(join(tmpdir(), 'attn-diff-xml-'));
  try {
    const page = join(folder, 'page.html');
    writeFileSync(
      page,
      `<!doctype html><meta charset="utf-8"><body><script>${parseAll(texts)}</script>`,
    );
    const { stdout, stderr } = spawnSync(
      CHROMIUM,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        `--user-data-dir=${folder}`,
        '--dump-dom',
        pathToFileURL(page).href,
      ],
      { encoding: 'utf8', maxBuffer: 2 ** 27 },
    );
    const body = /<body>([^<]*)<\/body>/.exec(stdout)?.[1];
    if (body === undefined) throw new Error(`the browser gave nothing: ${stderr}`);
    return JSON.parse(decodeURIComponent(body)) as (XmlElement | string)[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
