// The Markdown page of the results: its head, and rows made of reports. Pure.
import { cardsOf, line, recordsOf, refusal, versionsOf } from '../providerRows.js';

const HEAD = [
  'step',
  'model',
  'precision',
  'implementation',
  'what ran',
  'proof',
  'local',
  'accumulated',
  'exact',
  'NaN or Inf',
  'ms',
  'findings',
  's',
];

const MOST_SHOWN = 60;

const INTRODUCTION = [
  'Made by `scripts/gpu/run.sh`. Local and accumulated: the worst relative L2 against eager on the',
  'CPU, on valid tokens, at the same precision, which the CPU emulates (for qwen2-large-scores in',
  'fp32). Exact: the worst against float64, on the same queries, keys and values. NaN or Inf: values on valid tokens, and on all others.',
  'ms: the median of a forward pass. s: seconds of the step, shared by its rows.',
].join('\n');

/** Title and introduction, before anything is known. */
export function titleText(provider) {
  return `# ${provider}: every implementation and kernel\n\n${INTRODUCTION}\n\n`;
}

/**
 * The versions, and the head of the table.
 *
 * @param doctor its report, or null
 * @param facts of the machine, by name; those that are null are left out
 */
export function headText(doctor, facts) {
  const versions = doctor === null ? 'doctor gave no report' : versionsOf(doctor);
  const cards = doctor === null ? [] : cardsOf(doctor);
  const named = Object.entries(facts)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`);
  const about = [cards.join('; ') || 'no GPU was named', ...named].join('; ');
  return `${versions}. ${withoutPlaces(about)}.\n\n${line(HEAD)}\n${line(HEAD.map(() => '---'))}\n`;
}

/** A text without what is of one machine only: its name, and the folders of its paths. */
export function withoutPlaces(text) {
  return text
    .replaceAll(/ *; *hostname=[^ ;]*/g, '')
    .replaceAll(/(?<![\w.:/])(?:\/[\w.@+-]+)+\/([\w.@+-]+)/g, '$1');
}

/**
 * The rows of a step.
 *
 * @param outcome `{ report, problem, seconds }`: its report, or in one line why it has none
 */
export function rowsText(step, { report, problem, seconds }) {
  const cells = report === null ? [{ proof: problem }] : recordsFor(step, report);
  return cells
    .map(
      (cell) => `${line(columns(step, cell, seconds).map((each) => withoutPlaces(`${each}`)))}\n`,
    )
    .join('');
}

function recordsFor(step, report) {
  if (step.args[0] === 'doctor') return report.providers.map(doctorRecord);
  if (step.args[0] === 'bench') return report.rows.map(benchRecord);
  const finite = nonFiniteOf(report);
  return recordsOf(report).map((record) => ({
    ...record,
    nonFinite: finite(record.implementation),
  }));
}

function doctorRecord({ name, status, problem }) {
  return {
    implementation: name,
    proof: [status, problem].filter((part) => part !== null).join(': '),
  };
}

function benchRecord({ implementation, kernel, provider, proof, reason, seconds, failure }) {
  if (failure) return { implementation, proof: refusal(failure.problem ?? String(failure)) };
  return {
    implementation,
    ran: `${shortened(kernel)} on ${provider}`,
    proof: reason ? `${proof}: ${reason}` : proof,
    ms: (1000 * seconds.median).toPrecision(4),
  };
}

/** The file's own nodes can be many where a bench has no sites of them. */
function shortened(text) {
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}…`;
}

/** Counts on valid and on other tokens, of the streams' own rows. */
function nonFiniteOf({ rows }) {
  const count = (name, isValid) =>
    rows
      .filter(
        (row) =>
          row.implementation === name &&
          row.scope === 'accumulated' &&
          (row.kind === 'valid') === isValid,
      )
      .reduce((sum, { nan, inf }) => sum + nan + inf, 0);
  return (name) => `${count(name, true)}, ${count(name, false)}`;
}

function columns({ id, what = '–', precision = '–' }, record, seconds) {
  const {
    implementation = '–',
    ran = '–',
    proof = '–',
    local = '–',
    accumulated = '–',
    exact = '–',
  } = record;
  const { nonFinite = '–', ms = '–', findings = '–' } = record;
  const time = seconds === null ? '–' : seconds.toFixed(1);
  return [
    id,
    what,
    precision,
    implementation,
    ran,
    proof,
    local,
    accumulated,
    exact,
    nonFinite,
    ms,
    findings || '–',
    time,
  ];
}
