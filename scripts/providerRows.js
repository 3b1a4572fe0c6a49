// Which implementations can be asked of an execution provider, and what a report says of each as
// the cells of a Markdown table. Needs a build.
import { kernelsOf, providerObstacle } from '../dist/attention/kernels.js';
import { formatNumber } from '../dist/report/text/number.js';

/** What can be asked of a provider at a precision: every implementation, and every kernel by name. */
export function implementationsOf(provider, precision) {
  const settings = { provider, precision, kernel: null };
  const possible = (name, kernel) => providerObstacle(name, { ...settings, kernel }) === null;
  const named = ['sdpa', 'flash'].flatMap((name) =>
    kernelsOf(provider, name)
      .filter(({ name: kernel }) => possible(name, kernel))
      .map(({ name: kernel }) => `${name}@${provider}:kernel=${kernel}`),
  );
  const eager = possible('eager', null) ? [`eager@${provider}`] : [];
  return [...eager, ...named, `original@${provider}`];
}

/** What matters of ONNX Runtime's words comes last. */
export function refusal(problem) {
  return problem
    .replaceAll(/\s+/g, ' ')
    .replace(/^.*Status Message: (?:\S+:\d+ \w+ )?/, '')
    .slice(0, 120);
}

/** The largest of some numbers as printed; NaN where one is, a dash where there is none. */
function worst(values) {
  if (values.length === 0) return '–';
  return formatNumber(values.map(Number).reduce((a, b) => (a >= b || Number.isNaN(a) ? a : b)));
}

/**
 * One record for each implementation of a report of `run` but the reference and those of `leaveOut`:
 * what ran with which proof, the worst relative L2 on valid tokens against the reference (local and
 * accumulated) and against exact, and the findings.
 */
export function recordsOf(report, leaveOut = []) {
  return report.implementations
    .filter(({ name }) => name !== report.reference && !leaveOut.includes(name))
    .map((info) => {
      const own = report.rows.filter(
        ({ implementation, kind }) => implementation === info.name && kind === 'valid',
      );
      const of = (scope, field) =>
        worst(own.filter((row) => row.scope === scope).map((row) => row[field]));
      const codes = report.findings
        .filter(
          ({ implementation, code }) =>
            implementation === info.name && code !== 'padding-by-design',
        )
        .map(({ code }) => code);
      return {
        implementation: info.name,
        ran: info.failure ? '–' : `${info.kernel} on ${info.provider}`,
        proof: info.failure
          ? refusal(info.failure.problem)
          : `${info.proof}${info.reason ? `: ${info.reason}` : ''}`,
        local: of('local', 'relL2'),
        accumulated: of('accumulated', 'relL2'),
        exact: of('local', 'exactRelL2'),
        findings: codes.join(', '),
      };
    });
}

/** A row of a Markdown table. */
export function line(cells) {
  return `| ${cells.map((cell) => String(cell).replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')).join(' | ')} |`;
}

/** Graphics cards of a doctor's report, with their drivers. */
export function cardsOf({ gpus }) {
  return (gpus ?? []).map(({ name, driver }) => `${name}${driver ? ` (driver ${driver})` : ''}`);
}

/** The versions that a doctor's report names. */
export function versionsOf({ machine }) {
  const { attnDiff, onnxruntime, node, platform, arch, cpu } = machine;
  return `attn-diff ${attnDiff}, onnxruntime ${onnxruntime}, node ${node}, ${platform}-${arch}, ${cpu}`;
}
