import { expect, it } from 'vitest';
import { DEFAULT_SETTINGS, settingsText } from '../../src/attention/settings.js';
import { nameStreams } from '../../src/config/streams.js';

it.each([
  ['eager', 'scores=fp32:softmax=fp32:fill=min:mask=additive:align=bottom-right'],
  [
    'eager:precision=bf16:softmax=bf16:fill=-inf:mask=boolean:window=none',
    'scores=bf16:softmax=bf16:fill=-inf:mask=boolean:align=bottom-right:window=none',
  ],
  ['sdpa:window=8:align=top-left', 'mask=boolean:align=top-left:window=8'],
  ['flash', ''],
  ['flash:precision=bf16:block=64', 'block=64'],
  ['exact', 'align=bottom-right'],
  ['original', ''],
])('%s', (name, expected) => {
  const [stream] = nameStreams([name], DEFAULT_SETTINGS);
  expect(settingsText(stream!)).toBe(expected);
  // What it tells is what would be given: an implementation set to it is set to the same.
  const implementation = name.split(':')[0]!;
  const [again] = nameStreams(
    [[implementation, ...(expected === '' ? [] : [expected])].join(':')],
    { ...DEFAULT_SETTINGS, precision: stream!.settings.precision },
  );
  expect(settingsText(again!)).toBe(expected);
});
