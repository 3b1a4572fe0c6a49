import { describe, expect, it } from 'vitest';
import { streamOf } from '../../src/attention/settings.js';
import { capture } from '../support/capture.js';
import { fixture } from '../support/fixtures.js';
import { formReference } from '../support/forms.js';

describe('dynamically quantised activations', () => {
  it('a stream’s numbers do not depend on the streams beside it', async () => {
    const { batch } = formReference('qwen2-int8', 'left');
    const path = fixture('forms', 'qwen2-int8');
    const alone = (await capture(path, batch, ['flash'])).tensor('logits', null, 'flash');
    // Under −inf eager's fully masked rows are NaN, which would take the scale of the whole stack with it.
    const beside = await capture(path, batch, [
      'flash',
      'sdpa',
      streamOf('eager', { maskFill: '-inf' }),
    ]);
    expect(beside.tensor('logits', null, 'flash').data).toEqual(alone.data);
  });
});
