import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import { AttnDiffError } from '../errors.js';
import { readModelConfig } from './config.js';
import { defaultFile, dtypesOf, fileOfDtype, isOnnxCandidate, type Dtype } from './dtype.js';
import { GENAI_CONFIG } from './genaiConfig.js';
import type { HubId } from './hubId.js';
import { openHubRepo, type HubCallbacks, type HubRepo } from './hubRepo.js';
import { readHubSettings } from './hubSettings.js';

/** What a model of a hub is fetched with; everything has a default. */
export interface HubOptions extends Partial<HubCallbacks> {
  /** The environment to read the HF_ variables from. */
  env?: NodeJS.ProcessEnv;
  /** Ends a download; what it brought until then is kept, to go on from. */
  signal?: AbortSignal | undefined;
}

/** A model of a hub, in the cache as far as it was needed until now. */
export interface HubModel {
  commit: string;
  /** Path of the ONNX file in the repository. */
  file: string;
  onnxPath: string;
  /**
   * Brings the files that the ONNX file names as its external data.
   *
   * @param locations relative to the ONNX file's folder; what leads out of the repository is left alone
   */
  fetchData(locations: readonly string[]): Promise<void>;
}

/** Files that are small and needed beside the ONNX file or above it; only those that the repository has are fetched. */
const COMPANIONS = [
  'config.json',
  GENAI_CONFIG,
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
];

/**
 * Fetches what is needed of a model: its configuration first, which is checked, then the small files, then the ONNX file.
 *
 * @param dtype null for model.onnx, or the only ONNX file
 * @throws AttnDiffError the hub- codes, dtype-missing, config-missing, config-unreadable, config-unsupported
 */
export async function fetchHubModel(
  id: HubId,
  dtype: Dtype | null,
  options: HubOptions = {},
): Promise<HubModel> {
  const {
    env = process.env,
    signal,
    onProgress = () => undefined,
    onNotice = () => undefined,
    retryDelay = 500,
  } = options;
  const settings = { ...(await readHubSettings(env)), signal };
  const repo = await openHubRepo(id, settings, { onProgress, onNotice, retryDelay });
  const file = chooseFile(id, repo, dtype);
  const below = file.startsWith('onnx/') ? ['onnx/', ''] : [''];
  const companions = below
    .flatMap((folder) => COMPANIONS.map((companion) => `${folder}${companion}`))
    .filter((path) => repo.files.includes(path));
  const config =
    ['config.json', GENAI_CONFIG].flatMap((name) =>
      companions.filter((path) => basename(path) === name),
    )[0] ?? 'config.json';
  await readModelConfig(join(dirname(await repo.fetch(config)), 'config.json'));
  for (const companion of companions) await repo.fetch(companion);
  return {
    commit: repo.commit,
    file,
    onnxPath: await repo.fetch(file),
    fetchData: async (locations) => {
      for (const location of locations) {
        const path = posix.join(posix.dirname(file), location);
        if (!path.startsWith('../') && !isAbsolute(location)) await repo.fetch(path);
      }
      await repo.remember();
    },
  };
}

/** Where not all files are known, a file that could be one of several is only taken when it is asked for. */
function chooseFile(
  { repo: name }: HubId,
  { files, complete, folder }: HubRepo,
  dtype: Dtype | null,
): string {
  const candidates = files
    .filter(isOnnxCandidate)
    .sort((a, b) => Number(a.includes('/')) - Number(b.includes('/')) || (a < b ? -1 : 1));
  const dtypes = dtypesOf(candidates);
  if (dtype !== null) return fileOfDtype(complete ? name : folder, candidates, dtype);
  const known = complete || dtypes.length === 0 || dtypes.includes('fp32');
  const file = known ? defaultFile(candidates) : undefined;
  if (file !== undefined) return file;
  if (candidates.length === 0)
    throw new AttnDiffError('hub-no-onnx', {
      repo: complete ? name : folder,
      files: files.filter((path) => path.endsWith('.onnx')),
    });
  throw new AttnDiffError('hub-ambiguous', {
    repo: complete ? name : folder,
    files: candidates,
    dtypes,
  });
}
