// Draws docs/page.webp: two parts of the page of a run, as Chromium shows it.
//
//   npm run picture:page
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch } from 'puppeteer-core';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The README's case of large scores, whose gate fails. */
const RUN = [
  'run',
  '--model',
  'fixtures/qwen2-large-scores',
  '--data',
  'fixtures/reference/data.jsonl',
  '--batch-size',
  '4',
  '--precision',
  'bf16',
  '--reference',
  'exact',
  '--impl',
  'eager,eager:scores=fp32,sdpa,flash',
];
const WIDTH = 1000;
const FIRST = '#divergence';
const LAST = '#tokens';

const folder = mkdtempSync(join(tmpdir(), 'attn-diff-picture-'));
const browser = await launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const file = join(folder, 'page.html');
  spawnSync(
    process.execPath,
    [
      join(ROOT, 'bin', 'attn-diff.js'),
      ...RUN,
      '--output',
      join(folder, 'report.txt'),
      '--report',
      `html=${file}`,
    ],
    { cwd: ROOT },
  );
  const page = await browser.newPage();
  await page.setViewport({ width: WIDTH, height: 1600 });
  await page.goto(pathToFileURL(file).href);
  await page.$eval(FIRST, (part) => part.scrollIntoView());
  for (const part of [FIRST, LAST]) await page.waitForSelector(`${part} .chart svg`);
  const [top, bottom] = await page.evaluate(
    `['${FIRST}', '${LAST}'].map((part, i) => scrollY + document.querySelector(i === 0 ? part : part + ' output').getBoundingClientRect()[i === 0 ? 'top' : 'bottom'])`,
  );
  await page.addStyleTag({ content: 'nav { position: static !important }' });
  await page.screenshot({
    path: join(ROOT, 'docs', 'page.webp'),
    type: 'webp',
    quality: 75,
    captureBeyondViewport: true,
    clip: { x: 0, y: top, width: WIDTH, height: bottom - top },
  });
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
