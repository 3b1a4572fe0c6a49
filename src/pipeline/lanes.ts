import { implementationOf } from '../attention/implementations/index.js';
import { environmentOf } from '../attention/kernels.js';
import { placeKey } from '../runners/pool.js';
import type { RunnerPlace } from '../runners/types.js';
import type { ProviderName, Stream } from '../types.js';

/**
 * Streams that share a session: those of one execution provider and one choice of kernels. On other providers than the
 * CPU's also of one opset: one that needs a later opset than the file's would have other nodes of the model leave
 * their kernels (WebGPU has Cos up to opset 21, and leaves that of 22 to the CPU).
 */
export interface Lane {
  provider: ProviderName;
  /** Environment variables that choose the kernels. */
  environment: Readonly<Record<string, string>>;
  /** The opset, where lanes of several are told apart. */
  group: string;
  streams: Stream[];
}

/** A run's lanes: `home` has the reference, and what errors are measured against. */
export interface Lanes {
  home: Lane;
  others: Lane[];
}

/**
 * Puts each stream into the lane of its provider and kernel, in their order.
 *
 * @param reference label of one of the streams
 */
export function lanesOf(streams: readonly Stream[], reference: string): Lanes {
  const lanes = new Map<string, Lane>();
  for (const stream of streams) {
    const lane = laneFor(stream);
    const key = placeKey(placeOf(lane, null));
    const known = lanes.get(key);
    if (known) known.streams.push(stream);
    else lanes.set(key, lane);
  }
  const all = [...lanes.values()];
  const home = all.find((lane) => lane.streams.some(({ label }) => label === reference))!;
  return { home, others: all.filter((lane) => lane !== home) };
}

/** The version of ai.onnx that a stream's nodes need at least; 0 where the file's own will do. */
export function neededOpset({ name, settings }: Stream): number {
  return name === 'original'
    ? 0
    : Math.max(
        ...implementationOf(name, settings).opsets.map(({ domain, version }) =>
          domain === '' ? version : 0,
        ),
      );
}

/** A lane of one stream alone. */
export function laneFor(stream: Stream): Lane {
  const { provider } = stream.settings;
  return {
    provider,
    environment: environmentOf(stream.name, stream.settings),
    group: provider === 'cpu' ? '' : `opset ${neededOpset(stream)}`,
    streams: [stream],
  };
}

export function placeOf(
  { provider, environment, group }: Lane,
  timeout: number | null,
): RunnerPlace {
  return { provider, environment, group, timeout };
}
