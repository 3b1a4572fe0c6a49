import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { BIN, call, expectRefusal, run, start } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { HubFixture, NEW, REPO } from '../support/hubFixture.js';

async function repository(): Promise<HubFixture> {
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
  const files = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(fixture('qwen2-dynamo', name))] as const),
    ),
  );
  const model = await readFile(fixture('qwen2-dynamo', 'model.onnx'));
  const data = await readFile(fixture('qwen2-dynamo', 'model.onnx.data'));
  return HubFixture.start(
    { [NEW]: { files: { ...files, 'onnx/model.onnx': model, 'onnx/model.onnx.data': data } } },
    { main: NEW },
  );
}

function environment(hub: HubFixture): Record<string, string> {
  return { HF_HOME: hub.home, HF_ENDPOINT: hub.server.endpoint };
}

const whole = async (): Promise<number> =>
  (await readFile(fixture('qwen2-dynamo', 'model.onnx'))).byteLength +
  (await readFile(fixture('qwen2-dynamo', 'model.onnx.data'))).byteLength;

describe('attn-diff --model owner/name', () => {
  it('inspects, then again offline, byte for byte alike', async () => {
    const hub = await repository();
    const online = await run(['inspect', '--model', REPO], { env: environment(hub) });
    expect(online).toMatchObject({ code: EXIT.passed, stderr: '' });
    expect(online.stdout).toContain(`${REPO}@${NEW}`);
    const { length } = hub.server.hits;
    const offline = await call(['inspect', '--model', `hf:${REPO}@${NEW}`], {
      env: { ...environment(hub), HF_HUB_OFFLINE: '1' },
    });
    expect(offline).toEqual(online);
    expect(hub.server.hits).toHaveLength(length);
  });

  it('runs', async () => {
    const hub = await repository();
    const result = await call(
      ['run', '--model', REPO, '--dtype', 'fp32', '--random', '2x8', '--impl', 'eager,sdpa'],
      { env: environment(hub) },
    );
    expect(result).toMatchObject({ code: EXIT.passed, stderr: '', left: [] });
  });

  it('two processes at once fetch each file once', async () => {
    const hub = await repository();
    hub.server.slow = { bytes: 100_000, wait: 50 };
    const [first, second] = await Promise.all(
      [1, 2].map(() => run(['inspect', '--model', REPO], { env: environment(hub) })),
    );
    expect(first).toMatchObject({ code: EXIT.passed, stderr: '' });
    expect(second).toEqual(first);
    expect(hub.server.lfsBytes).toBe(await whole());
  });

  it('goes on after it was killed', async () => {
    const hub = await repository();
    hub.server.slow = { bytes: 50_000, wait: 100 };
    const child = start(process.execPath, [BIN, 'inspect', '--model', REPO], {
      env: environment(hub),
      stdio: 'ignore',
    });
    while (hub.server.lfsBytes < 150_000) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await once(child, 'close');
    hub.server.slow = null;
    hub.server.hits.length = 0;
    expect(await call(['inspect', '--model', REPO], { env: environment(hub) })).toMatchObject({
      code: EXIT.passed,
      stderr: '',
    });
    expect(hub.server.lfsBytes).toBeLessThan((await whole()) - 50_000);
  });

  it('says what is wrong in one line', async () => {
    const hub = await repository();
    const refused = async (
      args: string[],
      code: typeof EXIT.model | typeof EXIT.usage,
      ...says: (string | RegExp)[]
    ): Promise<void> =>
      expectRefusal(await call(['inspect', ...args], { env: environment(hub) }), code, ...says);
    await refused(
      ['--model', 'owner/other'],
      EXIT.model,
      /owner\/other: neither a path here nor a model on http.*Check the name/,
    );
    await refused(['--model', `${REPO}@v9`], EXIT.model, /no branch, tag or commit "v9"/);
    await refused(
      ['--model', REPO, '--dtype', 'q4'],
      EXIT.model,
      /no \.onnx file of dtype q4\. Give --dtype one that is there: fp32\./,
    );
    await refused(
      ['--model', REPO, '--dtype', 'q5'],
      EXIT.usage,
      /--dtype "q5".*Give one of fp32, fp16/,
    );
    await refused(['--model', './owner/name'], EXIT.model, /no such file or folder/);
    await refused(
      ['--model', fixture('qwen2-dynamo', 'model.onnx'), '--dtype', 'q4'],
      EXIT.usage,
      /--dtype "q4": --model is a file already/,
    );
    hub.server.token = 'x';
    await refused(['--model', REPO], EXIT.model, /refuses access \(401\).*HF_TOKEN/);
  });
});
