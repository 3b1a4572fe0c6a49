// Draws docs/demo.svg from what `attn-diff demo` really prints. Needs a build.
//
//   node scripts/demoPicture.js           writes docs/demo.svg
//   node scripts/demoPicture.js --print   writes to standard output instead
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const COLUMNS = 112;

/** What the picture leaves out, from a line to the line before another; each becomes one line with `…`. */
const ELISIONS = [
  { from: /^ {4}1 {2}attention/, to: /^ {4}3 {2}attention/ },
  { from: /^Batch right/, to: /^$/ },
];

const FONT_SIZE = 13;
const LINE = 18;
const CHARACTER = 7.83;
const MARGIN = 20;
const BAR = 34;

/** SGR codes that attn-diff uses → CSS class to set, or classes to clear. */
const SET = { 1: 'b', 2: 'd', 31: 'r', 32: 'g', 33: 'y', 36: 'c' };
const CLEAR = { 0: ['b', 'd', 'r', 'g', 'y', 'c'], 22: ['b', 'd'], 39: ['r', 'g', 'y', 'c'] };

const ESCAPE = String.fromCharCode(27);
const SGR = new RegExp(`${ESCAPE}\\[(\\d+)m`);

function demoOutput() {
  const { NO_COLOR: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin', 'attn-diff.js'), 'demo'],
    {
      encoding: 'utf8',
      env: { ...env, FORCE_COLOR: '1', COLUMNS: String(COLUMNS), GITHUB_ACTIONS: '' },
    },
  );
  if (status !== 0) throw new Error(`attn-diff demo ended with ${status}: ${stderr}`);
  // Where the package lies is of no interest.
  return stdout.replaceAll(ROOT, '…');
}

/** One array of {text, classes} per line. */
function styledLines(ansi) {
  const active = new Set();
  return ansi
    .trimEnd()
    .split('\n')
    .map((line) => {
      const runs = [];
      line.split(SGR).forEach((part, i) => {
        if (i % 2 === 0) {
          if (part !== '') runs.push({ text: part, classes: [...active].toSorted().join(' ') });
        } else if (part in SET) active.add(SET[part]);
        else if (part in CLEAR) for (const name of CLEAR[part]) active.delete(name);
        else throw new Error(`unknown escape sequence ${part}`);
      });
      return runs;
    });
}

function plain(runs) {
  return runs.map(({ text }) => text).join('');
}

function elide(lines) {
  return ELISIONS.reduce((rest, { from, to }) => {
    const start = rest.findIndex((runs) => from.test(plain(runs)));
    const length = rest.slice(start + 1).findIndex((runs) => to.test(plain(runs))) + 1;
    if (start < 0 || length < 1) throw new Error(`nothing to leave out between ${from} and ${to}`);
    return rest.toSpliced(start, length, [{ text: '…', classes: 'd' }]);
  }, lines);
}

function escapeXml(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function picture(lines) {
  const width = Math.ceil(COLUMNS * CHARACTER) + 2 * MARGIN;
  const height = BAR + lines.length * LINE + MARGIN;
  const rows = lines.map((runs, i) => {
    const spans = runs.map(({ text, classes }) =>
      classes === '' ? escapeXml(text) : `<tspan class="${classes}">${escapeXml(text)}</tspan>`,
    );
    return `<text x="${MARGIN}" y="${BAR + (i + 1) * LINE - 4}">${spans.join('')}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="What attn-diff demo prints">
<style>
text { font: ${FONT_SIZE}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; fill: #c9d1d9; white-space: pre }
.b { font-weight: 700; fill: #f0f6fc } .d { fill: #8b949e } .r { fill: #ff7b72 } .g { fill: #7ee787 } .y { fill: #e3b341 } .c { fill: #79c0ff }
</style>
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
<circle cx="20" cy="17" r="5" fill="#484f58"/><circle cx="37" cy="17" r="5" fill="#484f58"/><circle cx="54" cy="17" r="5" fill="#484f58"/>
${rows.filter((_, i) => lines[i].length > 0).join('\n')}
</svg>
`;
}

const prompt = [
  { text: '$ ', classes: 'd' },
  { text: 'npx attn-diff demo', classes: 'b' },
];
const svg = picture([prompt, ...elide(styledLines(demoOutput()))]);
if (process.argv.includes('--print')) process.stdout.write(svg);
else writeFileSync(join(ROOT, 'docs', 'demo.svg'), svg);
