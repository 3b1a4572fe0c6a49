import { expect, it } from 'vitest';
import { textOf } from '../../src/model/hubHttp.js';

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new TextEncoder().encode('{"a":');
}

async function* slow(): AsyncGenerator<Uint8Array> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    yield new Uint8Array(1);
  }
}

it('the body of an answer is read to a limit of bytes and of time', async () => {
  expect(await textOf({ body: endless() }, 1000, 60)).toBeNull();
  expect(await textOf({ body: slow() }, 1000, 0.05)).toBeNull();
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield* [new TextEncoder().encode('{"a"'), new TextEncoder().encode(':1}')];
  };
  expect(await textOf({ body: whole() }, 7, 60)).toBe('{"a":1}');
  expect(await textOf({ body: whole() }, 6, 60)).toBeNull();
});
