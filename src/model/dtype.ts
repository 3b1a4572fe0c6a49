import { AttnDiffError } from '../errors.js';

/** What onnx-community, and @huggingface/transformers with it, append to a file's name for each dtype. */
const SUFFIXES = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  quantized: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
  q2: '_q2',
  q2f16: '_q2f16',
  q1: '_q1',
  q1f16: '_q1f16',
} as const;

export type Dtype = keyof typeof SUFFIXES;
export const DTYPES = Object.keys(SUFFIXES) as Dtype[];

/** Names before the suffix, in the order tried: a plain export, and optimum's older split ones. */
const STEMS = ['model', 'decoder_model_merged', 'decoder_model'];
/** Folders of a model that may hold its ONNX file. */
const FOLDERS = ['', 'onnx/'];

/** Whether a file, named by its path below the model's folder with `/`, is one that may be chosen. */
export function isOnnxCandidate(file: string): boolean {
  return /^(?:onnx\/)?[^/]+\.onnx$/.test(file);
}

/** The dtypes that these files can be chosen by; of two names for one file, the first. */
export function dtypesOf(files: readonly string[]): Dtype[] {
  return DTYPES.filter((dtype) => dtype !== 'quantized' && fileOf(files, dtype) !== undefined);
}

/**
 * The file of a dtype.
 *
 * @param folder only named in errors
 * @throws AttnDiffError dtype-missing (lists those that are there)
 */
export function fileOfDtype(folder: string, files: readonly string[], dtype: Dtype): string {
  const file = fileOf(files, dtype);
  if (file === undefined)
    throw new AttnDiffError('dtype-missing', { folder, dtype, available: dtypesOf(files) });
  return file;
}

/** The file that is meant where no dtype is asked for: model.onnx, onnx/model.onnx, else the only one. */
export function defaultFile(files: readonly string[]): string | undefined {
  return (
    FOLDERS.map((folder) => `${folder}model.onnx`).find((file) => files.includes(file)) ??
    (files.length === 1 ? files[0] : undefined)
  );
}

function fileOf(files: readonly string[], dtype: Dtype): string | undefined {
  const names = STEMS.flatMap((stem) =>
    FOLDERS.map((folder) => `${folder}${stem}${SUFFIXES[dtype]}.onnx`),
  );
  return names.find((name) => files.includes(name));
}
