import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { pageAssets } from '../../src/pageAssets.js';
import { htmlReport } from '../../src/report/html.js';
import type { DiffReport } from '../../src/types.js';
import { NO_CHROMIUM, openBrowser } from '../support/chromium.js';
import { LARGE, largeReport } from '../support/largeReport.js';

/** How often the large page is opened; more than once, its times are printed: npm run bench:page. */
const OPENINGS = Number(process.env['OPENINGS'] ?? 1);
const SMALL = {
  layers: 4,
  size: 2,
  length: 60,
  implementations: ['sdpa', 'flash'],
  batches: ['left', 'right', '<b>third</b>'],
  heads: 4,
  hasNaN: false,
};

if (NO_CHROMIUM !== null)
  process.stdout.write(`The page is not opened in a browser: ${NO_CHROMIUM}.\n`);

describe.skipIf(NO_CHROMIUM !== null)('in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attn-diff-page-'));
  const paths = new Map<string, string>();
  let browser: Browser;
  /** What a page said on its console, or asked of anything but itself. */
  let heard: string[] = [];

  beforeAll(async () => {
    const reports: Record<string, DiffReport> = {
      clean: largeReport(SMALL),
      nan: largeReport({ ...SMALL, hasNaN: true }),
      large: largeReport(LARGE),
    };
    for (const [name, report] of Object.entries(reports)) {
      paths.set(name, join(folder, `${name}.html`));
      writeFileSync(
        paths.get(name)!,
        htmlReport(report, { width: 120, color: false, page: pageAssets }),
      );
    }
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => {
    const said = heard;
    heard = [];
    if (said.length > 0) throw new Error(`A page said or asked for: ${said.join('; ')}`);
  });

  async function open(
    name: string,
    { width = 1280, theme = 'light', script = true } = {},
  ): Promise<Page> {
    const page = await browser.newPage();
    page.on('console', (message) => heard.push(message.text()));
    page.on('pageerror', (error) => heard.push(String(error)));
    page.on('request', (request) => {
      if (!/^(?:file|data):/.test(request.url())) heard.push(request.url());
    });
    await page.setJavaScriptEnabled(script);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
    await page.setViewport({ width, height: 900 });
    await page.goto(pathToFileURL(paths.get(name)!).href);
    return page;
  }

  const evaluate = <T>(page: Page, expression: string): Promise<T> =>
    page.evaluate(expression) as Promise<T>;

  /** Goes to a part of the page, where its chart is drawn when it is seen. */
  async function seen(page: Page, id: string): Promise<void> {
    await page.$eval(`#${id}`, (part) => part.scrollIntoView());
    await page.waitForSelector(`#${id} .chart svg`);
  }

  test('a page draws its charts as they are seen, in the place that it has', async () => {
    const page = await open('clean');
    for (const id of ['divergence', 'tokens', 'loss', 'ranges', 'heads']) await seen(page, id);
    expect(await evaluate(page, 'document.querySelectorAll("#divergence .chart svg").length')).toBe(
      2,
    );
    expect(
      await evaluate(page, 'document.querySelectorAll("#divergence .chart svg [d]").length'),
    ).toBeGreaterThan(10);
    expect(
      await evaluate(page, 'document.querySelectorAll("#heads .chart rect").length'),
    ).toBeGreaterThanOrEqual(16);
    expect(
      await evaluate(page, 'document.querySelector("#heads figure select").labels[0].innerText'),
    ).toContain('Range');
    expect(
      await evaluate(page, '[...document.querySelectorAll("#divergence select")].at(-1).innerText'),
    ).toContain('<b>third</b>');
    const before = await evaluate(
      page,
      'document.querySelector("#divergence .chart svg").getAttribute("width")',
    );
    await page.setViewport({ width: 360, height: 900 });
    await page.waitForFunction(
      `document.querySelector("#divergence .chart svg").getAttribute("width") !== "${before}"`,
    );
    expect(await evaluate(page, 'document.documentElement.scrollWidth')).toBe(360);
    await page.close();
  });

  test('a narrow page that opens every table is no wider than the screen', async () => {
    const page = await open('nan', { width: 360 });
    await evaluate(
      page,
      'document.querySelectorAll("details").forEach((each) => { each.open = true })',
    );
    await page.waitForSelector('#tables .sort');
    for (const id of ['divergence', 'tokens', 'heads']) await seen(page, id);
    expect(await evaluate(page, 'document.documentElement.scrollWidth')).toBe(360);
    // What a table is of can be read without scrolling it, and so can a command.
    const cut =
      '(find, frame) => [...document.querySelectorAll(find)].filter((each) => each.getBoundingClientRect().right > each.closest(frame).getBoundingClientRect().right).map((each) => each.innerText)';
    expect(await evaluate(page, `(${cut})("caption span", ".scroll")`)).toEqual([]);
    expect(
      await evaluate(
        page,
        '[...document.querySelectorAll("pre")].filter((each) => each.scrollWidth > each.clientWidth).length',
      ),
    ).toBe(0);
    await page.close();
  });

  test('NaN is found by a key, told in words, and seen', async () => {
    const page = await open('nan');
    await seen(page, 'tokens');
    expect(await evaluate(page, 'document.querySelector("#tokens .table details").open')).toBe(
      true,
    );
    await page.focus('#tokens .map');
    const readout = (): Promise<string> =>
      evaluate(page, 'document.querySelector("#tokens output").innerText');
    expect(await readout()).toMatch(/^Row 0, layer 0, token 0 \(fully masked\): about \d/);
    await page.keyboard.press('End');
    expect(await readout()).toMatch(/token 59 \(valid\)/);
    await page.keyboard.press('n');
    expect(await readout()).toMatch(/\(valid\): NaN$/);
    const [x, y, width, height] = (await evaluate<number[]>(
      page,
      '["x", "y", "width", "height"].map((name) => Number(document.querySelector(".cursor").getAttribute(name)))',
    )) as [number, number, number, number];
    // Most pixels of the cell have the colour of NaN, in the image that is shown.
    const share = await evaluate<number>(
      page,
      `(async () => {
      const shown = document.querySelector('#tokens .map image');
      const image = new Image();
      image.src = shown.getAttribute('href') ?? shown.getAttributeNS('http://www.w3.org/1999/xlink', 'href');
      await image.decode();
      const canvas = document.createElement('canvas');
      canvas.width = image.width;
      canvas.height = image.height;
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(${Math.ceil(x) - 52 + 1}, ${Math.round(y) - 4}, ${Math.floor(width) - 3}, ${Math.floor(height)});
      let hits = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i] === 0xd6 && data[i + 1] === 0 && data[i + 2] === 0x6c) hits += 1;
      return hits / (data.length / 4);
    })()`,
    );
    expect(share).toBeGreaterThan(0.6);
    expect(
      await evaluate(
        page,
        'document.querySelectorAll("#tokens .nan-runs rect, #tokens rect.nan-runs").length',
      ),
    ).toBeGreaterThan(0);
    await seen(page, 'divergence');
    // Layer 3 and the logits.
    expect(
      await evaluate(
        page,
        'document.querySelectorAll("#divergence .panel:last-child .not-finite path").length',
      ),
    ).toBe(2);
    expect(
      await evaluate(
        page,
        'document.querySelector("#divergence .panel:last-child svg").textContent',
      ),
    ).toContain('NaN');
    await page.close();
  });

  test('a table is opened, sorted and narrowed by keys, NaN first', async () => {
    const page = await open('nan');
    await page.focus('#tables summary');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#tables .sort');
    const head = 'document.querySelectorAll("#tables [data-table=rows] thead th")[9]';
    const column =
      'Array.from(document.querySelectorAll("#tables [data-table=rows] tbody tr"), (row) => row.cells[9].innerText)';
    expect(await evaluate(page, `${head}.innerText`)).toMatch(/^rel L2/);
    await evaluate(page, `${head}.querySelector('button').focus()`);
    await page.keyboard.press('Enter');
    expect(await evaluate(page, `${head}.getAttribute('aria-sort')`)).toBe('descending');
    const descending = await evaluate<string[]>(page, column);
    const firstNumber = descending.findIndex((text) => text !== 'NaN');
    expect(firstNumber).toBeGreaterThan(0);
    const numbers = descending.slice(firstNumber).map(Number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
    await page.keyboard.press('Space');
    expect(await evaluate(page, `${head}.getAttribute('aria-sort')`)).toBe('ascending');
    expect((await evaluate<string[]>(page, column))[0]).toBe('NaN');
    await page.select('#tables [data-table=rows] select', '1');
    expect(new Set(await evaluate<string[]>(page, column.replace('cells[9]', 'cells[0]')))).toEqual(
      new Set(['left']),
    );
    await page.close();
  });

  test('the theme follows the system until the button says otherwise, which is remembered', async () => {
    const background = 'getComputedStyle(document.body).backgroundColor';
    const dark = await open('clean', { theme: 'dark' });
    expect(await evaluate(dark, background)).toBe('rgb(20, 24, 29)');
    await dark.click('.theme');
    expect(await evaluate(dark, background)).toBe('rgb(255, 255, 255)');
    await dark.reload();
    expect(await evaluate(dark, background)).toBe('rgb(255, 255, 255)');
    expect(await evaluate(dark, 'document.querySelector(".theme").innerText')).toBe('Dark theme');
    await evaluate(dark, 'localStorage.clear()');
    await dark.close();
  });

  test('in print all is there, light, and afterwards as it was', async () => {
    const page = await open('nan', { theme: 'dark' });
    await seen(page, 'divergence');
    const state =
      '[document.querySelectorAll("details[open]").length, document.querySelectorAll(".chart.drawn").length, document.documentElement.dataset.theme ?? null]';
    const before = await evaluate<unknown[]>(page, state);
    await evaluate(page, 'dispatchEvent(new Event("beforeprint"))');
    expect(await evaluate(page, state)).toEqual([
      await evaluate(page, 'document.querySelectorAll("details").length'),
      5,
      'light',
    ]);
    expect(
      await evaluate(page, 'document.querySelectorAll("[data-table=rows] tbody tr").length'),
    ).toBe(largeReport(SMALL).rows.length);
    await evaluate(page, 'dispatchEvent(new Event("afterprint"))');
    expect((await evaluate<unknown[]>(page, state))[2]).toBe(before[2]);
    await page.close();
  });

  test('without script the page tells what matters', async () => {
    const page = await open('nan', { script: false });
    const text = await page.$eval('main', (main) => main.textContent ?? '');
    expect(text).toContain('FAILED: flash became NaN');
    expect(text).toContain('need JavaScript');
    await page.close();
  });

  test('28 layers × 4,096 tokens × 4 implementations are opened', async () => {
    const times: Record<'load' | 'text' | 'charts' | 'map', number>[] = [];
    for (let i = 0; i < OPENINGS; i++) {
      const page = await open('large');
      const painted =
        '(find) => new Promise((resolve) => { const look = () => (find() ? requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now()))) : requestAnimationFrame(look)); look(); })';
      const [load, text] = await evaluate<[number, number]>(
        page,
        '[performance.getEntriesByType("navigation")[0].loadEventEnd, performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0]',
      );
      const charts = await evaluate<number>(
        page,
        `document.querySelector('#divergence').scrollIntoView(), (${painted})(() => document.querySelector('#divergence .chart svg'))`,
      );
      const map = await evaluate<number>(
        page,
        `document.querySelector('#tokens').scrollIntoView(), (${painted})(() => document.querySelector('#tokens .map svg'))`,
      );
      times.push({ load, text, charts, map });
      expect(await evaluate(page, 'document.querySelectorAll("#tokens tbody tr").length')).toBe(
        LARGE.layers + 1,
      );
      await page.close();
    }
    if (OPENINGS > 1) process.stdout.write(`${told(statSync(paths.get('large')!).size, times)}\n`);
  });
});

/** Medians and, in brackets, the longest, from the beginning of the navigation on. */
function told(bytes: number, times: readonly Record<string, number>[]): string {
  const each = Object.keys(times[0]!).map((name) => {
    const ordered = times.map((time) => time[name]!).toSorted((a, b) => a - b);
    return `${name} ${ordered[Math.floor(ordered.length / 2)]!.toFixed(0)} ms (${ordered.at(-1)!.toFixed(0)})`;
  });
  return `${LARGE.layers} layers × ${LARGE.length} tokens × ${LARGE.implementations.length} implementations in ${LARGE.batches.length} batches, ${(bytes / 1e6).toFixed(2)} MB, opened ${times.length} times: ${each.join(', ')}`;
}
