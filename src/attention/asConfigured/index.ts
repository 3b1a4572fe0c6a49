import type { AttentionConfig } from '../../model/attentionConfig.js';
import type { ConfigAspect, ConfigSource, ConfigValue, NotAsConfigured } from '../../types.js';
import { sameValue, type Aspect, type LayerMeasurement, type Reading } from './aspect.js';
import { bias, biasValue } from './aspects/bias.js';
import { headOrder, kvHeads, valueScale } from './aspects/heads.js';
import { normEpsilon, qkNorm } from './aspects/norms.js';
import {
  rope,
  ropeFactor,
  ropeLayout,
  ropePositions,
  ropeScaling,
  ropeTheta,
  ropeWidth,
} from './aspects/rope.js';
import { scale } from './aspects/scale.js';

/** Everything that is compared, in the order of the findings. */
const ASPECTS: readonly Aspect[] = [
  scale,
  rope,
  ropeTheta,
  ropeScaling,
  ropeWidth,
  ropeFactor,
  ropeLayout,
  ropePositions,
  kvHeads,
  headOrder,
  valueScale,
  bias,
  biasValue,
  qkNorm,
  normEpsilon,
];

export interface Comparison {
  findings: NotAsConfigured[];
  /** By layer, what was compared with config.json or with other layers of its type. */
  checked: Map<number, ConfigAspect[]>;
}

interface Placed extends Reading {
  aspect: ConfigAspect;
  layer: number;
  /** Layers of one type share a rotary embedding; nothing else differs by it. */
  type: string;
}

/**
 * Compares what was measured of each layer with config.json; where that does not say, with the value that most layers
 * have, or most of the same type where types may differ, or as many as any other.
 *
 * @returns one finding for each pair of values that differ
 */
export function compareWithConfig(
  layers: readonly LayerMeasurement[],
  config: AttentionConfig,
): Comparison {
  const readings = ASPECTS.flatMap((aspect) =>
    layers.flatMap((layer) =>
      aspect.read(layer, config).map((reading): Placed => ({
        ...reading,
        aspect: aspect.name,
        layer: layer.layer,
        type: aspect.name.startsWith('rope') ? layer.type : '',
      })),
    ),
  );
  const findings: NotAsConfigured[] = [];
  const checked = new Map<number, ConfigAspect[]>(layers.map(({ layer }) => [layer, []]));
  for (const reading of readings) {
    const other = expectedOf(reading, readings);
    if (other === null) continue;
    const aspects = checked.get(reading.layer)!;
    if (!aspects.includes(reading.aspect)) aspects.push(reading.aspect);
    if (!sameValue(reading.found, other.expected, reading.tolerance)) add(findings, reading, other);
  }
  return { findings, checked };
}

function expectedOf(
  reading: Placed,
  all: readonly Placed[],
): { expected: ConfigValue; against: ConfigSource } | null {
  if (reading.expected !== null)
    return { expected: reading.expected, against: reading.against ?? 'config' };
  const peers = all.filter(
    ({ aspect, part, type }) =>
      aspect === reading.aspect && part === reading.part && type === reading.type,
  );
  if (peers.length < 2) return null;
  const count = (value: ConfigValue): number =>
    peers.filter(({ found }) => sameValue(found, value, reading.tolerance)).length;
  const most = Math.max(...peers.map(({ found }) => count(found)));
  const common = peers.filter(({ found }) => count(found) === most);
  const usual = common.find(({ found }) => found === reading.usual) ?? common[0]!;
  return { expected: usual.found, against: 'layers' };
}

function add(
  findings: NotAsConfigured[],
  { aspect, part, layer, found }: Placed,
  { expected, against }: { expected: ConfigValue; against: ConfigSource },
): void {
  const layers = part === 'final-norm' ? [] : [layer];
  const known = findings.find(
    (finding) =>
      finding.aspect === aspect &&
      finding.part === part &&
      finding.against === against &&
      finding.expected === expected &&
      finding.found === found,
  );
  if (known) known.layers.push(...layers);
  else findings.push({ code: 'not-as-configured', aspect, part, layers, expected, found, against });
}
