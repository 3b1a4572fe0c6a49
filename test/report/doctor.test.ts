import { describe, expect, it } from 'vitest';
import { CUDA_LIBRARIES } from '../../src/doctorTypes.js';
import { doctorSchema } from '../../src/report/doctorSchema.js';
import { doctorJson, doctorText } from '../../src/report/index.js';
import { displayWidth } from '../../src/report/text/width.js';
import { sampleDiagnosis } from './doctorSample.js';

const plain = { width: 120, color: false };

describe('doctorText', () => {
  it.each([60, 80, 120])('fits %i columns', (width) => {
    for (const color of [false, true]) {
      for (const line of doctorText(sampleDiagnosis(), { width, color }).split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it.each([80, 120])('is what a reader has approved of, at %i columns', async (width) => {
    await expect(doctorText(sampleDiagnosis(), { width, color: false })).toMatchFileSnapshot(`golden/doctor-${width}.txt`);
  });

  it('says nothing of what the platform does not have', () => {
    const text = doctorText({ ...sampleDiagnosis(), gpus: null, vulkan: null, libraries: [], implementations: [] }, plain);
    for (const title of ['GPUs', 'Libraries', 'Implementations', 'Kernels']) expect(text).not.toContain(title);
  });

  it('says that there is no GPU, loader or driver', () => {
    const text = doctorText({ ...sampleDiagnosis(), gpus: [], vulkan: { loader: null, drivers: [] } }, plain);
    expect(text).toMatch(/^GPU +none found/m);
    expect(text).toContain('libvulkan.so.1 is not found');
    expect(text).toContain('no driver found');
  });

  it('names every library that is missing with how to get it', () => {
    const text = doctorText({ ...sampleDiagnosis(), libraries: CUDA_LIBRARIES.map((name) => ({ name, path: null })) }, plain);
    for (const name of CUDA_LIBRARIES) expect(text).toMatch(new RegExp(`^✗ +${name.replaceAll('.', '\\.')} is not found: (fetch|install) `, 'm'));
  });
});

describe('doctorJson', () => {
  it('is a document of its schema, with remedies for what is missing only', () => {
    const { providers, libraries } = doctorSchema.parse(JSON.parse(doctorJson(sampleDiagnosis())));
    expect(providers.filter(({ remedy }) => remedy !== null).map(({ name }) => name)).toEqual(['webgpu', 'tensorrt']);
    expect(libraries.map(({ path, remedy }) => (path === null) === (remedy !== null))).toEqual(libraries.map(() => true));
  });

  it('has the keys in the order of the schema', () => {
    const { libraries, ...rest } = sampleDiagnosis();
    expect(doctorJson({ libraries, ...rest })).toBe(doctorJson(sampleDiagnosis()));
  });

  it('is refused by its schema where it has more or less', () => {
    const document = JSON.parse(doctorJson(sampleDiagnosis())) as Record<string, unknown>;
    expect(doctorSchema.safeParse({ ...document, more: 1 }).success).toBe(false);
    const { gpus: _, ...less } = document;
    expect(doctorSchema.safeParse(less).success).toBe(false);
  });
});
