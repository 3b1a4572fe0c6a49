import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../src/config/index.js';
import { lanesOf, placeOf } from '../../src/pipeline/lanes.js';

function lanes(
  impl: string,
  reference = 'eager',
): { home: string[]; others: string[][]; places: string[] } {
  const { implementations, reference: label } = parseRunOptions({
    model: 'm',
    impl,
    reference,
    precision: 'fp16',
  });
  const { home, others } = lanesOf(implementations, label);
  const labels = ({ streams }: typeof home): string[] => streams.map((stream) => stream.label);
  return {
    home: labels(home),
    others: others.map(labels),
    places: [home, ...others].map((lane) => JSON.stringify(placeOf(lane, null))),
  };
}

describe('lanes', () => {
  it('all on the CPU is one', () => {
    expect(lanes('eager,sdpa,flash,exact,original')).toMatchObject({
      home: ['eager', 'sdpa', 'flash', 'exact', 'original'],
      others: [],
    });
  });

  it('a kernel asked for by name has its own, and what chooses the same shares it', () => {
    expect(lanes('eager,flash:kernel=naive,flash,flash:kernel=naive:window=5')).toMatchObject({
      home: ['eager', 'flash'],
      others: [['flash:kernel=naive', 'flash:kernel=naive:window=5']],
    });
  });

  it('on another provider, one for each opset', () => {
    expect(lanes('eager,eager@webgpu,sdpa@webgpu,flash@webgpu,original@webgpu')).toMatchObject({
      others: [['eager@webgpu', 'flash@webgpu'], ['sdpa@webgpu'], ['original@webgpu']],
    });
  });

  it('home is the reference’s, wherever that is', () => {
    expect(lanes('eager,eager@webgpu,flash@webgpu', 'eager@webgpu')).toMatchObject({
      home: ['eager@webgpu', 'flash@webgpu'],
      others: [['eager']],
    });
  });

  it('no two share a process', () => {
    const { places } = lanes(
      'eager,flash:kernel=naive,eager@webgpu,sdpa@webgpu,original@webgpu,flash@cuda,flash@cuda:kernel=math,sdpa@cuda',
    );
    expect(new Set(places).size).toBe(places.length);
    expect(places.length).toBe(8);
  });
});
