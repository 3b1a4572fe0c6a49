import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMask, readMask, withMask } from '../../src/batch/maskFile.js';
import { parseNpy } from '../../src/batch/npy.js';
import { parseSafetensors } from '../../src/batch/safetensors.js';
import { AttnDiffError } from '../../src/errors.js';
import { folderWith } from '../model/helpers.js';
import { pad } from './batches.js';

interface Saved {
  name: string;
  shape: number[] | null;
  values: (number | string)[] | null;
  bytes: Uint8Array;
}

const saved = (
  JSON.parse(readFileSync('fixtures/batch/arrays.json', 'utf8')) as (Omit<Saved, 'bytes'> & {
    file: string;
  })[]
).map((entry): Saved => ({ ...entry, bytes: Buffer.from(entry.file, 'base64') }));
const readable = saved.filter(({ values }) => values !== null);
const bytesOf = (name: string): Uint8Array => saved.find((entry) => entry.name === name)!.bytes;
const numbers = (values: readonly (number | string)[]): number[] =>
  values.map((value) => (value === '-inf' ? -Infinity : Number(value)));
const parseArray = (bytes: Uint8Array, name: string) =>
  name.endsWith('.npy')
    ? parseNpy(bytes, name)
    : parseSafetensors(bytes, ['mask', 'attention_mask'], name);

const invalid = (problem: RegExp | string) =>
  expect.objectContaining({
    code: 'mask-invalid',
    args: { path: expect.any(String), problem: expect.stringMatching(problem) },
    exitCode: 2,
  });

/** A .npy file made by hand; numpy pads the header to 64 bytes and asks nobody to. */
function npy(
  descr: string,
  shape: readonly number[],
  data: ArrayBufferView,
  { version = 1, order = 'False' } = {},
): Uint8Array {
  const header = Buffer.from(
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': (${shape.join(', ')},), }\n`,
    'latin1',
  );
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from('NUMPY'),
    Buffer.from([version, 0]),
    length,
    header,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

function safetensors(header: unknown, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

describe('what numpy and safetensors saved', () => {
  test.each(readable)('$name', ({ name, shape, values, bytes }) => {
    const array = parseArray(bytes, name);
    expect(array.shape).toEqual(shape);
    expect(Array.from(array.values, (value) => value + 0)).toEqual(
      numbers(values!).map((value) => (value === 0 ? 0 : value)),
    );
  });

  test.each([
    ['int64.npy', '<i8'],
    ['complex.npy', '<c8'],
    ['records.npy', 'records'],
    ['text.npy', '<U2'],
    ['int64.safetensors', 'I64'],
    ['two.safetensors', 'a, b'],
  ])('%s is refused by name: %s', (name, said) => {
    expect(() => parseArray(bytesOf(name), name)).toThrow(invalid(said));
  });

  test.each(saved.map(({ name }) => name))(
    '%s cut off anywhere, or longer, is an error',
    (name) => {
      const bytes = bytesOf(name);
      for (let end = 0; end < bytes.length; end++)
        expect(() => parseArray(bytes.subarray(0, end), name)).toThrow(invalid(/./));
      expect(() => parseArray(Buffer.concat([bytes, Buffer.from([0])]), name)).toThrow(
        invalid(/./),
      );
    },
  );
});

describe('parseNpy', () => {
  test('reads any array of the types it knows', () => {
    const typeArb = fc.constantFrom<
      [string, (values: number[]) => Uint8Array | Float32Array | Float64Array]
    >(
      ["'<f8'", (values) => Float64Array.from(values)],
      ["'<f4'", (values) => Float32Array.from(values)],
      ["'|u1'", (values) => Uint8Array.from(values)],
    );
    fc.assert(
      fc.property(
        typeArb,
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 200 })),
        fc.constantFrom(1, 2, 3),
        ([descr, typed], shape, stream, version) => {
          const data = typed(
            Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.next().value),
          );
          const array = parseNpy(npy(descr, shape, data, { version }), 'a.npy');
          expect(array.shape).toEqual(shape);
          expect([...array.values]).toEqual([...data]);
        },
      ),
    );
  });

  test.each([
    ['no header', npy("'<f4'", [], new Uint8Array()).subarray(0, 8), /cut off in its header/],
    ['another version', npy("'<f4'", [1], new Float32Array(1), { version: 4 }), /version 4/],
    ['no order', npy("'<f4'", [1], new Float32Array(1), { order: 'Maybe' }), /does not name/],
    ['a negative dim', npy("'<f4'", [-1], new Float32Array(1)), /does not name/],
    [
      'a shape beyond all bounds',
      npy("'|b1'", [999_999_999_999_999, 999_999_999_999_999], new Uint8Array(1)),
      /needs .* and it has 1/,
    ],
    ['no byte order', npy("'f4'", [1], new Float32Array(1)), /are f4/],
    ['another beginning', Buffer.from('PK\u0003\u0004'.repeat(8)), /does not begin/],
  ])('%s', (_, bytes, problem) => {
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(invalid(problem));
  });
});

describe('parseSafetensors', () => {
  const entry = { dtype: 'BOOL', shape: [1, 1], data_offsets: [0, 1] };

  test.each([
    ['nothing', new Uint8Array(7), /no header/],
    [
      'a header beyond the file',
      Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 123]),
      /cut off in its header/,
    ],
    ['no JSON', safetensors('{"mask": '), /no JSON object/],
    ['a list', safetensors([]), /no JSON object/],
    ['no tensor', safetensors({ __metadata__: { a: 'b' } }), /holds no tensor/],
    ['a tensor that is no object', safetensors({ mask: 5 }), /describe tensor mask/],
    [
      'a negative offset',
      safetensors({ mask: { ...entry, data_offsets: [-1, 1] } }, new Uint8Array(1)),
      /describe tensor mask/,
    ],
    [
      'offsets the wrong way round',
      safetensors({ mask: { ...entry, data_offsets: [1, 0] } }),
      /bytes 1 to 0/,
    ],
    [
      'bytes behind the last tensor',
      safetensors({ mask: entry }, new Uint8Array(2)),
      /end at byte 1, and it has 2/,
    ],
    [
      'offsets that do not fit the shape',
      safetensors({ mask: { ...entry, data_offsets: [0, 2] } }, new Uint8Array(2)),
      /needs 1 bytes, and it has 2/,
    ],
    [
      'a type of eight bits',
      safetensors({ mask: { ...entry, dtype: 'F8_E4M3' } }, new Uint8Array(1)),
      /F8_E4M3/,
    ],
    [
      'a type with an odd name',
      safetensors({ mask: { ...entry, dtype: '__proto__' } }, new Uint8Array(1)),
      /__proto__/,
    ],
  ])('%s', (_, bytes, problem) => {
    expect(() => parseSafetensors(bytes, ['mask'], 'm.safetensors')).toThrow(invalid(problem));
  });
});

test('any bytes give a mask or an error that says what is wrong', () => {
  const changedArb = fc
    .record({ from: fc.constantFrom(...saved), at: fc.nat(), to: fc.nat(255) })
    .map(({ from, at, to }) => {
      const bytes = Uint8Array.from(from.bytes);
      bytes[at % bytes.length] = to;
      return { name: from.name, bytes };
    });
  const junkArb = fc.record({
    name: fc.constantFrom('a.npy', 'a.safetensors', 'a.txt', 'a'),
    bytes: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(fc.oneof(changedArb, junkArb), ({ name, bytes }) => {
      try {
        const { dims, allowed } = parseMask(bytes, name);
        expect(allowed.length).toBe(dims.reduce((a, b) => a * b, 1));
      } catch (error) {
        if (!(error instanceof AttnDiffError) || error.code !== 'mask-invalid') throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

describe('parseMask', () => {
  const float = (values: number[], descr = "'<f4'"): Uint8Array =>
    npy(
      descr,
      [1, 1, 2, 2],
      descr === "'<f8'" ? Float64Array.from(values) : Float32Array.from(values),
    );

  test('a boolean mask is what it says', () => {
    expect(parseMask(bytesOf('bool.npy'), 'm.npy')).toEqual({
      dims: [1, 1, 3, 3],
      allowed: Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 1, 1),
      additive: null,
      source: 'm.npy',
    });
    expect(parseMask(bytesOf('uint8.safetensors'), 'm.safetensors')).toMatchObject({
      dims: [2, 2, 3, 3],
      additive: null,
    });
  });

  test('two dimensions are for all rows and heads', () => {
    expect(parseMask(bytesOf('two-dimensions.npy'), 'm.npy')).toMatchObject({
      dims: [1, 1, 3, 3],
      allowed: Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 1, 1),
    });
  });

  test('an additive mask allows what is above −1000, and is kept', () => {
    expect(parseMask(float([0, -999.5, -1000, -Infinity]), 'm.npy')).toMatchObject({
      allowed: Uint8Array.of(1, 1, 0, 0),
      additive: Float32Array.of(0, -999.5, -1000, -Infinity),
    });
    expect(parseMask(bytesOf('bfloat16.safetensors'), 'm.safetensors')).toMatchObject({
      allowed: Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 1, 1),
      additive: Float32Array.of(
        -1.5,
        -Infinity,
        -Infinity,
        -0.1875,
        0.25,
        -Infinity,
        1.125,
        1.5625,
        2,
      ),
    });
  });

  test('float64 beyond float32 stays finite', () => {
    const largest = 3.4028234663852886e38;
    expect(
      parseMask(float([0.1, 1e39, -1.7976931348623157e308, -Infinity], "'<f8'"), 'm.npy').additive,
    ).toEqual(Float32Array.of(0.1, largest, -largest, -Infinity));
  });

  test('a mask of nothing but 0 masks nothing', () => {
    expect(parseMask(float([0, 0, 0, 0]), 'm.npy').allowed).toEqual(Uint8Array.of(1, 1, 1, 1));
  });

  test.each([
    ['NaN', bytesOf('nan.npy'), /at \[0, 0, 0, 0\] it has NaN/],
    ['NaN among numbers', float([0, 0, NaN, 0]), /at \[0, 0, 1, 0\] it has NaN/],
    ['+Infinity', float([0, Infinity, 0, 0]), /at \[0, 0, 0, 1\] it has Infinity/],
    ['0 and 1 as floats', float([1, 0, 1, 1]), /save it as bool/],
    [
      'uint8 beyond 1',
      npy("'|u1'", [1, 1, 2, 2], Uint8Array.of(0, 1, 255, 1)),
      /at \[0, 0, 1, 0\] it has 255/,
    ],
    ['three dimensions', npy("'|b1'", [1, 2, 2], new Uint8Array(4)), /\[1, 2, 2\]/],
    ['five dimensions', npy("'|b1'", [1, 1, 1, 2, 2], new Uint8Array(4)), /four dimensions/],
  ])('%s is an error', (_, bytes, problem) => {
    expect(() => parseMask(bytes, 'm.npy')).toThrow(invalid(problem));
  });

  test('by the bytes where the name says nothing', () => {
    expect(parseMask(bytesOf('bool.npy'), 'mask')).toMatchObject({ dims: [1, 1, 3, 3] });
    expect(() => parseMask(bytesOf('bool.safetensors'), 'mask.bin')).toThrow(invalid(/neither/));
  });
});

describe('readMask', () => {
  test('a file', async () => {
    const path = `${await folderWith({})}/m.safetensors`;
    await writeFile(path, bytesOf('named.safetensors'));
    expect(await readMask(path)).toMatchObject({ dims: [1, 1, 3, 3], source: path });
  });

  test('a file that is not there, and a folder', async () => {
    const folder = await folderWith({});
    await expect(readMask(`${folder}/m.npy`)).rejects.toMatchObject({
      code: 'mask-unreadable',
      args: { path: `${folder}/m.npy`, problem: 'ENOENT' },
      exitCode: 2,
    });
    await expect(readMask(folder)).rejects.toMatchObject({
      code: 'mask-unreadable',
      args: { problem: 'EISDIR' },
    });
  });
});

describe('withMask', () => {
  const batch = pad(
    [
      [1, 2, 3],
      [4, 5],
    ],
    'right',
  );
  const mask = (dims: [number, number, number, number]) => ({
    dims,
    allowed: new Uint8Array(dims.reduce((a, b) => a * b, 1)),
    additive: null,
    source: 'm.npy',
  });

  test('a batch takes a mask for one or all of its rows and heads, and the kinds that it makes', () => {
    for (const dims of [
      [1, 1, 3, 3],
      [2, 1, 3, 3],
      [1, 4, 3, 3],
      [2, 4, 3, 3],
    ] as [number, number, number, number][]) {
      expect(withMask(batch, mask(dims), 4)).toMatchObject({
        mask: { dims },
        kinds: Array.from({ length: 6 }, () => 'fullyMasked'),
      });
    }
    expect(batch.mask).toBeNull();
  });

  test.each<[number, number, number, number]>([
    [3, 1, 3, 3],
    [1, 2, 3, 3],
    [1, 1, 2, 3],
    [1, 1, 3, 4],
    [0, 1, 3, 3],
  ])('not one of [%i, %i, %i, %i]', (...dims) => {
    expect(() => withMask(batch, mask(dims), 4)).toThrow(
      expect.objectContaining({
        code: 'mask-shape',
        args: {
          path: 'm.npy',
          found: `[${dims.join(', ')}]`,
          needed: '[1 or 2, 1 or 4, 3, 3]',
          batch: 'right',
        },
        exitCode: 2,
      }),
    );
  });
});
