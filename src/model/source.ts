import type { Stats } from 'node:fs';
import { access, constants, lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig } from './config.js';
import { readModelConfig } from './config.js';
import { defaultFile, dtypesOf, fileOfDtype, type Dtype } from './dtype.js';
import { fetchHubModel, type HubOptions } from './hub.js';
import { parseHubId } from './hubId.js';

/** Where a model's parts lie. Nothing of the graph or of the tokenizer is read yet. */
export interface ModelSource {
  /** As given; of a model on the hub its id, commit and file. */
  path: string;
  /** Holds config.json and the tokenizer. */
  folder: string;
  onnxPath: string;
  config: ModelConfig;
  /** tokenizer.json, null where there is none. */
  tokenizerPath: string | null;
}

export interface ModelOptions {
  /** Which ONNX file of a folder or of a model on the hub; null for model.onnx, or the only one. */
  dtype?: Dtype | null;
  hub?: HubOptions;
}

/** The ONNX file of a model; what else it needs may still have to be fetched. */
export interface ModelLocation {
  /** As {@link ModelSource} has it. */
  path: string;
  onnxPath: string;
  /** Brings the files of these names, relative to the ONNX file's folder, where they can be brought. */
  fetchData(locations: readonly string[]): Promise<void>;
}

/**
 * Finds the ONNX file of a model. `path` is that file, or a folder: the file of the dtype asked for, else its
 * model.onnx, else its onnx/model.onnx (as on the Hugging Face hub), else the only *.onnx in either; or, where there is
 * nothing at that path, a model on the hub (see {@link parseHubId}), which is downloaded.
 *
 * @throws AttnDiffError model-not-found, model-unreadable, model-empty, model-no-onnx, model-ambiguous, dtype-missing,
 *   bad-option, the hub- codes
 */
export async function locateModel(
  path: string,
  { dtype = null, hub }: ModelOptions = {},
): Promise<ModelLocation> {
  const id = path.startsWith('hf:') || (await isNothing(path)) ? parseHubId(path) : null;
  if (id) {
    const { commit, file, onnxPath, fetchData } = await fetchHubModel(id, dtype, hub);
    await checkOnnxFile(onnxPath);
    return { path: `${id.repo}@${commit} (${file})`, onnxPath, fetchData };
  }
  const stats = await statModel(path);
  if (dtype !== null && !stats.isDirectory()) {
    throw new AttnDiffError('bad-option', {
      option: '--dtype',
      value: dtype,
      problem: '--model is a file already',
      remedy: 'it with a folder or a model on the hub only',
    });
  }
  const onnxPath = stats.isDirectory() ? await searchFolder(path, dtype) : path;
  await checkOnnxFile(onnxPath);
  return { path: dtype === null ? path : onnxPath, onnxPath, fetchData: async () => undefined };
}

/**
 * Finds config.json and tokenizer.json of a model, and reads config.json, which lies beside the ONNX file, or one level
 * up where that is in `onnx/`.
 *
 * @param model a path or a location
 * @throws AttnDiffError those of {@link locateModel} for a path, config-missing, config-unreadable, config-unsupported
 */
export async function openModelSource(model: string | ModelLocation): Promise<ModelSource> {
  const { path, onnxPath } = typeof model === 'string' ? await locateModel(model) : model;
  const folder = await configFolder(onnxPath);
  const config = await readModelConfig(join(folder, 'config.json'));
  const tokenizerPath = join(folder, 'tokenizer.json');
  return {
    path,
    folder,
    onnxPath,
    config,
    tokenizerPath: (await exists(tokenizerPath)) ? tokenizerPath : null,
  };
}

async function searchFolder(folder: string, dtype: Dtype | null): Promise<string> {
  const files = [...(await listOnnx(folder, '')), ...(await listOnnx(folder, 'onnx'))];
  if (files.length === 0) throw new AttnDiffError('model-no-onnx', { folder });
  const file = dtype === null ? defaultFile(files) : fileOfDtype(folder, files, dtype);
  if (file === undefined)
    throw new AttnDiffError('model-ambiguous', { folder, files, dtypes: dtypesOf(files) });
  return join(folder, file);
}

/** The *.onnx files of one folder, sorted, as paths with `/` below `root`; none where the folder does not exist. */
async function listOnnx(root: string, below: string): Promise<string[]> {
  const folder = join(root, below);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (below !== '' && isAbsent(error)) return [];
    throw unreadable(folder, error);
  }
  const files: string[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith('.onnx')).toSorted()) {
    if (await isFile(join(folder, name))) files.push(below === '' ? name : `${below}/${name}`);
  }
  return files;
}

async function checkOnnxFile(path: string): Promise<void> {
  const stats = await statModel(path);
  if (!stats.isFile())
    throw new AttnDiffError('model-unreadable', {
      path,
      problem: 'it is neither a file nor a folder',
    });
  if (stats.size === 0) throw new AttnDiffError('model-empty', { path });
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function configFolder(onnxPath: string): Promise<string> {
  const beside = dirname(onnxPath);
  const inOnnx = basename(resolve(beside)) === 'onnx';
  return inOnnx && !(await exists(join(beside, 'config.json'))) ? join(beside, '..') : beside;
}

async function statModel(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw isAbsent(error)
      ? new AttnDiffError('model-not-found', { path })
      : unreadable(path, error);
  }
}

/** Whether there is nothing at a path, not even a link to nothing, or a place that may not be looked into. */
async function isNothing(path: string): Promise<boolean> {
  return lstat(path).then(() => false, isAbsent);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw unreadable(path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function unreadable(path: string, error: unknown): AttnDiffError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new AttnDiffError('model-unreadable', { path, problem: code ?? message });
}
