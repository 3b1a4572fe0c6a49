import type { Stats } from 'node:fs';
import { access, constants, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AttnDiffError } from '../errors.js';
import type { ModelConfig } from './config.js';
import { readModelConfig } from './config.js';

/** Where a model's parts lie. Nothing of the graph or of the tokenizer is read yet. */
export interface ModelSource {
  /** As given. */
  path: string;
  /** Holds config.json and the tokenizer. */
  folder: string;
  onnxPath: string;
  config: ModelConfig;
  /** tokenizer.json, null where there is none. */
  tokenizerPath: string | null;
}

/**
 * Finds the ONNX file, config.json and tokenizer.json of a model.
 *
 * `path` is an ONNX file, or a folder: its model.onnx, else its onnx/model.onnx (as on the Hugging Face hub),
 * else the only *.onnx in either. config.json lies beside the ONNX file, or one level up where that is in `onnx/`.
 *
 * @throws AttnDiffError model-not-found, model-unreadable, model-empty, model-no-onnx, model-ambiguous,
 *   config-missing, config-unreadable, config-unsupported
 */
export async function openModelSource(path: string): Promise<ModelSource> {
  const stats = await statModel(path);
  const onnxPath = stats.isDirectory() ? await findOnnx(path) : path;
  await checkOnnxFile(onnxPath);
  const folder = await configFolder(onnxPath);
  const config = await readModelConfig(join(folder, 'config.json'));
  const tokenizerPath = join(folder, 'tokenizer.json');
  return { path, folder, onnxPath, config, tokenizerPath: (await exists(tokenizerPath)) ? tokenizerPath : null };
}

async function findOnnx(folder: string): Promise<string> {
  for (const name of ['model.onnx', join('onnx', 'model.onnx')]) {
    const path = join(folder, name);
    if (await isFile(path)) return path;
  }
  const files = [...(await listOnnx(folder, '')), ...(await listOnnx(folder, 'onnx'))];
  const [only] = files;
  if (only === undefined) throw new AttnDiffError('model-no-onnx', { folder });
  if (files.length > 1) throw new AttnDiffError('model-ambiguous', { folder, files });
  return join(folder, only);
}

/** The *.onnx files of one folder, sorted, as paths below `root`; none where the folder does not exist. */
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
    if (await isFile(join(folder, name))) files.push(join(below, name));
  }
  return files;
}

async function checkOnnxFile(path: string): Promise<void> {
  const stats = await statModel(path);
  if (!stats.isFile()) throw new AttnDiffError('model-unreadable', { path, problem: 'it is neither a file nor a folder' });
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
    throw isAbsent(error) ? new AttnDiffError('model-not-found', { path }) : unreadable(path, error);
  }
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
