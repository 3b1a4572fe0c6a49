import { describe, expect, it } from 'vitest';
import { inspectionText } from '../../src/report/index.js';
import { displayWidth } from '../../src/report/text/width.js';
import { sampleInspection } from './sample.js';

const plain = { width: 120, color: false };

describe('inspectionText', () => {
  it.each([60, 80, 120])('fits %i columns', (width) => {
    for (const color of [false, true]) {
      for (const line of inspectionText(sampleInspection(), { width, color }).split('\n'))
        expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it('is what a reader has approved of', async () => {
    await expect(inspectionText(sampleInspection(), plain)).toMatchFileSnapshot(
      'golden/inspection-120.txt',
    );
    await expect(
      inspectionText(sampleInspection(), { width: 60, color: false }),
    ).toMatchFileSnapshot('golden/inspection-60.txt');
  });

  it('joins layers that are alike, and names their nodes by one pattern', () => {
    const text = inspectionText(sampleInspection(), plain);
    expect(text).toMatch(/^0–21 +decomposed +additive +-inf +yes +yes +none +0.250 +fp32 +no$/m);
    expect(text).toContain('/model/layers.*/self_attn/Softmax');
    expect(text).toMatch(/^23 .* 4,096 /m);
  });

  it('does not join layers that differ in any one thing', () => {
    const inspection = sampleInspection(4);
    inspection.layers.forEach((layer) => {
      layer.mask = { ...inspection.layers[0]!.mask };
    });
    const joined = inspectionText(inspection, plain);
    expect(joined).toMatch(/^0–3 /m);
    inspection.layers[2]!.nanGuard = true;
    const parted = inspectionText(inspection, plain);
    expect(parted).toMatch(/^0–1 /m);
    expect(parted).toMatch(/fully masked rows are set to 0/);
  });

  it('says what becomes of a fully masked row', () => {
    const text = inspectionText(sampleInspection(), { width: 400, color: false }).replaceAll(
      /\s+/g,
      ' ',
    );
    expect(text).toContain('no NaN guard: a fully masked row becomes NaN');
    expect(text).toContain('averages over all keys');
  });

  it('gives the reason why an implementation cannot be built, at every width', () => {
    for (const width of [60, 120]) {
      const text = inspectionText(sampleInspection(), { width, color: false }).replaceAll(
        /\s+/g,
        ' ',
      );
      expect(text).toContain('✗ flash cannot be built: the sliding window of layer 23');
      expect(text).toContain('✓ eager can be built');
    }
  });

  it('holds for a model without layers or external data', () => {
    const empty = { ...sampleInspection(0), externalData: [] };
    expect(inspectionText(empty, plain)).toContain('in the .onnx file');
  });
});
