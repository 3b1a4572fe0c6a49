import { createHash } from 'node:crypto';
import { EXIT } from '../errors.js';
import type { DiffReport } from '../types.js';
import { configurationLine, isSuspect } from './configurationText.js';
import { issues, type Issue } from './issues.js';
import { jsonText } from './jsonText.js';
import { ruleId, RULES } from './sarif/rules.js';
import { shardSentences } from './shardText.js';
import { placeText } from './text/kinds.js';
import { printable } from './text/width.js';
import { verdictSentence } from './verdictText.js';

const SCHEMA =
  'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/**
 * The report as SARIF 2.1.0, for code scanning: a result for each check that was missed and for each finding that is
 * more than fine, at the model's file, with implementation and layer as logical locations. Fingerprints hold nothing
 * that was measured, so that a server can follow a result from run to run. A shard has an automation id, and so a
 * category, of its own, so that its results do not replace those of another.
 */
export function sarifReport(report: DiffReport): string {
  const { model, environment, verdict, command, reference, shard, batches } = report;
  const found = issues(report);
  const log = {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        invocations: [
          {
            ...configurationNotification(report),
            executionSuccessful: true,
            exitCode: verdict.passed ? EXIT.passed : EXIT.gateFailed,
            arguments: command,
          },
        ],
        tool: {
          driver: {
            name: 'attn-diff',
            version: environment.attnDiff,
            semanticVersion: environment.attnDiff,
            rules: RULES,
          },
        },
        ...(shard && {
          automationDetails: {
            id: `attn-diff/shard-${shard.index}-of-${shard.count}/`,
            description: { text: messageText(shardSentences(shard, batches)) },
          },
        }),
        artifacts: [
          {
            location: artifactLocation(report),
            roles: ['analysisTarget'],
            hashes: { 'sha-256': model.sha256 },
          },
        ],
        results: withFingerprints(found).map(({ issue, fingerprint }) =>
          resultOf(issue, fingerprint, report),
        ),
        properties: {
          passed: verdict.passed,
          verdict: printable(verdictSentence(report)),
          shard: shard && { index: shard.index, count: shard.count },
          checks: verdict.checks.length,
          reference,
          onnxruntime: environment.onnxruntime,
        },
      },
    ],
  };
  return `${jsonText(log, 2)}\n`;
}

/** A configuration that took part, where SARIF has room for conditions of the set-up. */
function configurationNotification(report: DiffReport): object {
  const line = configurationLine(report);
  return line === null
    ? {}
    : {
        toolConfigurationNotifications: [
          {
            level: isSuspect(report) ? 'warning' : 'note',
            message: { text: messageText(`${line}.`) },
          },
        ],
      };
}

function resultOf(issue: Issue, fingerprint: string, report: DiffReport): object {
  const id = ruleId(issue);
  const logicalLocation = logicalLocationOf(issue);
  return {
    ruleId: id,
    ruleIndex: RULES.findIndex((rule) => rule.id === id),
    level: issue.level,
    message: {
      text: messageText(`${issue.text}${issue.command === null ? '' : ` Again: ${issue.command}`}`),
    },
    // An ONNX file has no lines, but code scanning shows no result without one.
    locations: [
      {
        physicalLocation: {
          artifactLocation: { ...artifactLocation(report), index: 0 },
          region: { startLine: 1 },
        },
        ...(logicalLocation && { logicalLocations: [logicalLocation] }),
      },
    ],
    partialFingerprints: {
      'attnDiff/v1': fingerprint,
      primaryLocationLineHash: `${fingerprint}:1`,
    },
  };
}

/** The innermost of implementation, batch, and layer with tap, named within the others; null where it is about none of them. */
function logicalLocationOf({
  implementation,
  batch,
  layer,
  tap,
}: Issue): { name: string; fullyQualifiedName: string; kind: string } | null {
  const place = layer === null && tap === null ? null : placeText(layer, tap);
  const parts = Object.entries({ implementation, batch, layer: place }).flatMap(([kind, name]) =>
    name === null ? [] : [{ kind, name: printable(name) }],
  );
  const innermost = parts.at(-1);
  return innermost
    ? {
        name: innermost.name,
        fullyQualifiedName: parts.map(({ name }) => name).join('/'),
        kind: innermost.kind,
      }
    : null;
}

/**
 * 16 hexadecimal digits of each issue, the same in every run: of what it is about, not of what was measured or where a
 * limit was exceeded most. One that comes again is numbered.
 */
function withFingerprints(all: readonly Issue[]): { issue: Issue; fingerprint: string }[] {
  const seen = new Map<string, number>();
  return all.map((issue) => {
    const identity = JSON.stringify([
      ruleId(issue),
      issue.title,
      issue.implementation,
      ...(issue.about === 'finding' ? [issue.batch, issue.layer, issue.tap] : []),
    ]);
    const number = (seen.get(identity) ?? 0) + 1;
    seen.set(identity, number);
    return {
      issue,
      fingerprint: createHash('sha256').update(`${identity}#${number}`).digest('hex').slice(0, 16),
    };
  });
}

/** The model's path as a URI: relative to the root of the sources where the path is relative. */
function artifactLocation({ model, environment }: DiffReport): { uri: string; uriBaseId?: string } {
  const path = environment.platform === 'win32' ? model.path.replaceAll('\\', '/') : model.path;
  const isAbsolute =
    path.startsWith('/') || (environment.platform === 'win32' && /^[a-z]:\//i.test(path));
  const encoded = path
    .replaceAll(/\p{Surrogate}/gu, '\uFFFD')
    .split('/')
    .map(encodeURIComponent)
    .join('/');
  if (!isAbsolute) return { uri: encoded.replace(/^(?:\.\/)+/, ''), uriBaseId: '%SRCROOT%' };
  // A path of Windows that begins with the name of a server.
  if (environment.platform === 'win32' && path.startsWith('//')) return { uri: `file:${encoded}` };
  return {
    uri: `file://${encoded.startsWith('/') ? '' : '/'}${encoded.replace(/^([a-z])%3A/i, '$1:')}`,
  };
}

/** Braces are placeholders in a message of SARIF, and `[…](…)` is a link. */
function messageText(text: string): string {
  return printable(text).replaceAll(/[{}]/g, '$&$&').replaceAll('](', '] (');
}
