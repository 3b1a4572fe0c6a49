import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  gpuInUse,
  parseDrmCard,
  parseNvidiaSmi,
  parseVulkanDriver,
} from '../../src/pipeline/machineText.js';

/** Whatever a program or a file may hold, line ends and half-right lines among it. */
const garbage = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        'a',
        ',',
        '\n',
        '\t',
        '(',
        ')',
        '=>',
        ' ',
        '/lib/x',
        'MiB',
        '0x10de',
        '{',
        '}',
        '"ICD"',
        ':',
        'DRIVER=',
      ),
    )
    .map((parts) => parts.join('')),
);
const word = fc.stringMatching(/^[\w.+-]{1,20}$/);

describe('parseNvidiaSmi', () => {
  it('reads one card a line', () => {
    expect(
      parseNvidiaSmi(
        'NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB\nNVIDIA A2, 550.54.15, 15356 MiB\n',
      ),
    ).toEqual([
      {
        name: 'NVIDIA H100 80GB HBM3',
        driver: '550.54.15',
        memoryBytes: 81559 * 2 ** 20,
        source: 'nvidia-smi',
      },
      {
        name: 'NVIDIA A2',
        driver: '550.54.15',
        memoryBytes: 15356 * 2 ** 20,
        source: 'nvidia-smi',
      },
    ]);
  });

  it('leaves out what the driver does not tell, and takes a complaint for no card', () => {
    expect(parseNvidiaSmi('NVIDIA GB10, [N/A], [N/A]\r\n')).toEqual([
      { name: 'NVIDIA GB10', driver: null, memoryBytes: null, source: 'nvidia-smi' },
    ]);
    expect(parseNvidiaSmi('No devices were found\n')).toEqual([]);
    expect(parseNvidiaSmi('')).toEqual([]);
  });

  it('gives back what was printed', () => {
    const card = fc.record({ name: word, driver: word, mib: fc.nat() });
    fc.assert(
      fc.property(fc.array(card), (cards) => {
        const found = parseNvidiaSmi(
          cards.map(({ name, driver, mib }) => `${name}, ${driver}, ${mib} MiB`).join('\n'),
        );
        expect(found).toEqual(
          cards.map(({ name, driver, mib }) => ({
            name,
            driver,
            memoryBytes: mib * 2 ** 20,
            source: 'nvidia-smi',
          })),
        );
      }),
    );
  });

  it('never throws, and names every card', () => {
    fc.assert(
      fc.property(
        garbage,
        (text) => void expect(parseNvidiaSmi(text).map(({ name }) => name)).not.toContain(''),
      ),
    );
  });
});

describe('parseDrmCard', () => {
  const none = { vendor: null, device: null, uevent: null };

  it('names a card by its identifiers, and its driver', () => {
    const uevent = 'DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\n';
    expect(parseDrmCard('card0', { vendor: '0x1002\n', device: '0x744C\n', uevent })).toEqual({
      name: '1002:744c',
      driver: 'amdgpu',
      memoryBytes: null,
      source: 'drm',
    });
  });

  it("takes the kernel's name where there are no identifiers", () => {
    expect(
      parseDrmCard('card1', { ...none, uevent: 'OF_NAME=gpu\nDRIVER=panfrost\n' }),
    ).toMatchObject({ name: 'card1', driver: 'panfrost' });
    expect(parseDrmCard('card1', none)).toMatchObject({ name: 'card1', driver: null });
  });

  it('never throws', () => {
    const file = fc.option(garbage);
    fc.assert(
      fc.property(
        file,
        file,
        file,
        (vendor, device, uevent) =>
          void expect(parseDrmCard('card0', { vendor, device, uevent }).name).not.toBe(''),
      ),
    );
  });
});

describe('parseVulkanDriver', () => {
  it('reads the library', () => {
    expect(
      parseVulkanDriver(
        'a.json',
        '{"file_format_version": "1.0.0", "ICD": {"library_path": "./libvk.so", "api_version": "1.3"}}',
      ),
    ).toEqual({ file: 'a.json', library: './libvk.so' });
  });

  it.each([
    null,
    '',
    '{',
    'null',
    '[]',
    '{"ICD": null}',
    '{"ICD": {"library_path": 3}}',
    '{"ICD": {"library_path": ""}}',
    '{"layer": {"library_path": "x"}}',
  ])('finds none in %s', (text) => {
    expect(parseVulkanDriver('a.json', text)).toEqual({ file: 'a.json', library: null });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(garbage, fc.json()),
        (text) => void expect(parseVulkanDriver('a.json', text).file).toBe('a.json'),
      ),
    );
  });
});

describe('gpuInUse', () => {
  const card = (
    name: string,
    driver: string | null = '550.54.15',
    source: 'nvidia-smi' | 'drm' = 'nvidia-smi',
  ) => ({ name, driver, memoryBytes: null, source });
  const vulkan = (...libraries: (string | null)[]) =>
    libraries.map((library, i) => ({ file: `${i}.json`, library }));

  it('tells of no GPU where all ran on the CPU', () => {
    expect(gpuInUse(['cpu'], [card('NVIDIA A2')], [])).toBeNull();
    expect(gpuInUse([], null, null)).toBeNull();
  });

  it('names the cards of CUDA with their driver, and counts those that are alike', () => {
    expect(
      gpuInUse(
        ['cpu', 'cuda', 'cuda'],
        [card('NVIDIA A2'), card('1002:744c', 'amdgpu', 'drm')],
        null,
      ),
    ).toBe('NVIDIA A2, driver 550.54.15');
    expect(
      gpuInUse(['cuda'], [card('NVIDIA A2'), card('NVIDIA A2'), card('NVIDIA T4', null)], null),
    ).toBe('2 × NVIDIA A2, driver 550.54.15 + NVIDIA T4');
    expect(gpuInUse(['tensorrt'], null, null)).toBe('unknown');
  });

  it.each([
    ['SwiftShader', vulkan('./libvk_swiftshader.so'), [card('NVIDIA A2')]],
    ['llvmpipe', vulkan('/usr/lib/libvulkan_lvp.so'), []],
    [
      '1002:744c, driver amdgpu',
      vulkan('libvulkan_radeon.so'),
      [card('1002:744c', 'amdgpu', 'drm')],
    ],
    [
      'unknown',
      vulkan('libvulkan_radeon.so', 'libvk_swiftshader.so'),
      [card('1002:744c', 'amdgpu', 'drm')],
    ],
    [
      'unknown',
      vulkan('libvulkan_radeon.so'),
      [card('NVIDIA A2'), card('1002:744c', 'amdgpu', 'drm')],
    ],
    ['unknown', vulkan('libvulkan_radeon.so'), []],
    ['unknown', vulkan(null), [card('NVIDIA A2')]],
    ['unknown', vulkan(), [card('NVIDIA A2')]],
    ['unknown', null, [card('NVIDIA A2')]],
  ])('of WebGPU: %s', (expected, drivers, gpus) => {
    expect(gpuInUse(['webgpu'], gpus, drivers)).toBe(expected);
  });

  it('says of which provider each is where they differ', () => {
    expect(gpuInUse(['webgpu', 'cuda'], [card('NVIDIA A2')], vulkan('libvk_swiftshader.so'))).toBe(
      'cuda: NVIDIA A2, driver 550.54.15; webgpu: SwiftShader',
    );
    expect(gpuInUse(['coreml', 'dml'], null, null)).toBe('unknown');
  });
});
