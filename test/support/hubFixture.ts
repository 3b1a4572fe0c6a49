import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { fetchHubModel, type HubModel, type HubOptions } from '../../src/model/hub.js';
import type { HubProgress } from '../../src/model/hubDownload.js';
import { parseHubId } from '../../src/model/hubId.js';
import type { Dtype } from '../../src/model/index.js';
import { QWEN2_CONFIG } from '../model/helpers.js';
import { HubServer } from './hubServer.js';

export const REPO = 'owner/name';
export const OLD = '0'.repeat(39) + '1';
export const NEW = 'a'.repeat(40);

const text = (content: unknown): Uint8Array =>
  Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));

/** 3 MB that are no repetition, so that no part is like another. */
export const WEIGHTS = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 2654435761) >>> 13);
const COMMON = {
  'config.json': text(QWEN2_CONFIG),
  'tokenizer.json': text({}),
  'tokenizer_config.json': text({}),
  'README.md': text('# long'),
  'model.safetensors': text('big'),
};

/** A model like those of onnx-community, at two commits: the newer has other weights and one dtype more. */
export const COMMITS = {
  [OLD]: {
    files: {
      ...COMMON,
      'onnx/model.onnx': text('old graph'),
      'onnx/model.onnx_data': WEIGHTS.slice(0, 1000),
    },
  },
  [NEW]: {
    files: {
      ...COMMON,
      'onnx/model.onnx': text('new graph'),
      'onnx/model.onnx_data': WEIGHTS,
      'onnx/model_q4.onnx': text('q4 graph'),
    },
  },
};

/** A hub with {@link COMMITS}, an empty cache, and what was told of downloads; all gone after the test. */
export class HubFixture {
  readonly progress: HubProgress[] = [];
  readonly notices: string[] = [];
  env: Record<string, string> = {};
  signal: AbortSignal | undefined;

  private constructor(
    readonly server: HubServer,
    readonly home: string,
  ) {}

  static async start(
    commits: Record<string, { files: Record<string, Uint8Array> }> = COMMITS,
    refs: Record<string, string> = { main: NEW, 'v1.0': OLD, 'refs/pr/1': NEW },
  ): Promise<HubFixture> {
    const server = await HubServer.start({ repo: REPO, commits, refs });
    const home = await mkdtemp(join(tmpdir(), 'attn-diff-hub-'));
    onTestFinished(async () => {
      await server.stop();
      await rm(home, { recursive: true });
    });
    return new HubFixture(server, home);
  }

  get options(): HubOptions {
    return {
      env: { HF_HOME: this.home, HF_ENDPOINT: this.server.endpoint, ...this.env },
      onProgress: (progress) => this.progress.push(progress),
      onNotice: (notice) => this.notices.push(notice),
      retryDelay: 1,
      signal: this.signal,
    };
  }

  /** Fetches a model and its external data, as far as this is not asked to leave them. */
  async fetch(
    id: string = REPO,
    { dtype = null, data = ['model.onnx_data'] }: { dtype?: Dtype | null; data?: string[] } = {},
  ): Promise<HubModel> {
    const model = await fetchHubModel(parseHubId(id)!, dtype, this.options);
    await model.fetchData(data);
    return model;
  }

  cache(...parts: string[]): string {
    return join(this.home, 'hub', `models--${REPO.replace('/', '--')}`, ...parts);
  }
}
