import { formatCount, formatLimit, formatNumber } from '../report/text/number.js';
import { clause, error, quote } from './wording.js';

/** What there is too much of in a file. */
const EXTENT = {
  nodes: 'nodes',
  fields: 'names, attributes and dimensions',
  numbers: 'numbers that are not stored as raw bytes',
  depth: 'graphs within one another',
} as const;

/** What makes a graph one that is supported. */
const GRAPH_ADVICE = {
  exporter: 'Export it again with optimum-onnx or torch.onnx.export(dynamo=True)',
  opset: 'Export it again with opset 18 or newer',
  quantisation:
    'Quantise it again with MatMulInteger for every dynamically quantised product, or give the file before quantisation',
} as const;

/** What makes an input one that attn-diff can feed. */
const INPUT_ADVICE = {
  ids: 'Export the model with input_ids in place of embeddings (optimum-cli export onnx, or torch.onnx.export of the whole model)',
  cache:
    'Export the model without a cache of fixed length (optimum-cli export onnx --task text-generation, or use_cache=False)',
  dynamic:
    'Export the model with dynamic batch and sequence axes (dynamic_shapes or dynamic_axes of torch.onnx.export)',
  text: 'Export the text decoder alone, without images or sound',
  standard:
    'Export the model with inputs as Hugging Face has them: input_ids, attention_mask, position_ids',
} as const;

/** The model is unreadable or not supported: exit code 3. */
export const MODEL = {
  'model-not-found': error(
    (a: { path: string }) => `${a.path}: no such file or folder`,
    'Give --model an .onnx file, the folder that holds it, or owner/name of a model on the hub',
  ),
  'model-no-onnx': error(
    (a: { folder: string }) => `${a.folder}: there is no .onnx file in this folder`,
    'Export the model first (optimum-cli export onnx), or give --model the file itself',
  ),
  'model-ambiguous': error(
    (a: { folder: string; files: string[]; dtypes: string[] }) =>
      `${a.folder}: several .onnx files: ${clause(a.files.join(', '))}`,
    (a) =>
      `Give --model one of them${a.dtypes.length > 0 ? `, or choose with --dtype: ${a.dtypes.join(', ')}` : ''}`,
  ),
  'dtype-missing': error(
    (a: { folder: string; dtype: string; available: string[] }) =>
      `${a.folder}: there is no .onnx file of dtype ${a.dtype}`,
    (a) =>
      a.available.length > 0
        ? `Give --dtype one that is there: ${a.available.join(', ')}`
        : 'No .onnx file there is named by a dtype: leave --dtype out',
  ),
  'model-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the model cannot be read: ${clause(a.problem)}`,
    'Check the path and its permissions',
  ),
  'model-empty': error(
    (a: { path: string }) => `${a.path}: the file is empty`,
    'Export or download it again; with git, fetch it with git lfs pull',
  ),
  'model-not-onnx': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: not a whole ONNX file: ${clause(a.problem)}`,
    'Export or download it again',
  ),
  'model-too-large': error(
    (a: {
      path: string;
      part: 'nodes' | 'fields' | 'numbers' | 'depth';
      found: number;
      most: number;
    }) =>
      `${a.path}: ${formatCount(a.found)} ${EXTENT[a.part]}, and no more than ${formatCount(a.most)} are read`,
    (a) =>
      a.part === 'numbers'
        ? 'Save the model again with onnx.save, which writes weights as raw bytes'
        : 'Export the model again; no exporter of decoders writes so many',
  ),
  'config-missing': error(
    (a: { path: string }) => `${a.path}: there is no such file`,
    "Put the model's config.json there, beside the .onnx file",
  ),
  'config-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the model's configuration cannot be read: ${clause(a.problem)}`,
    'Copy config.json again from where the model came from',
  ),
  'config-unsupported': error(
    (a: { path: string; problem: string }) => `${a.path}: ${clause(a.problem)}`,
    'Put the config.json of this very model there; models of the Qwen2 family are supported',
  ),
  'external-data-missing': error(
    (a: { path: string; tensor: string }) =>
      `${a.path}: there is no such file, yet the model keeps the weights of ${quote(a.tensor)} in it`,
    'Copy it beside the .onnx file, under the same name',
  ),
  'external-data-short': error(
    (a: { path: string; tensor: string; needed: number; size: number }) =>
      `${a.path}: ${a.size} bytes, but the weights of ${quote(a.tensor)} end at byte ${a.needed}`,
    'The file is cut off: copy or download it again',
  ),
  'external-data-outside': error(
    (a: { location: string; tensor: string }) =>
      `the weights of ${quote(a.tensor)} point to ${quote(a.location)}, outside the model's folder, and are not read`,
    'Export the model again with its data beside it',
  ),
  'external-data-invalid': error(
    (a: { tensor: string; problem: string }) =>
      `the external data of ${quote(a.tensor)} is not described rightly: ${clause(a.problem)}`,
    'Export the model again',
  ),
  'no-attention': error(
    (a: { path: string }) => `${a.path}: no attention was found in this model`,
    'Give --model a decoder of the Qwen2 family',
  ),
  /** `remedy` is eager where a file with attention in plain nodes would be recognised. */
  'site-not-recognised': error(
    (a: {
      node: string;
      opType: string;
      layer: number;
      problem: string;
      remedy: 'eager' | 'report';
    }) =>
      `layer ${a.layer}: the attention at node ${quote(a.node)} (${clause(a.opType)}) was not recognised: ${clause(a.problem)}`,
    (a) =>
      a.remedy === 'eager'
        ? 'Export the model again with attn_implementation="eager", or report this node as an issue'
        : 'Report this node as an issue, with the exporter that attn-diff inspect names',
  ),
  'graph-not-supported': error(
    (a: { problem: string; remedy: keyof typeof GRAPH_ADVICE }) =>
      `the model's graph is not supported: ${clause(a.problem)}`,
    (a) => GRAPH_ADVICE[a.remedy],
  ),
  'input-not-supported': error(
    (a: {
      name: string;
      type: string;
      shape: (string | number)[];
      problem: string;
      remedy: keyof typeof INPUT_ADVICE;
    }) =>
      `the model's input ${quote(a.name)} (${a.type}[${clause(a.shape.join(', '))}]) cannot be fed: ${clause(a.problem)}`,
    (a) => INPUT_ADVICE[a.remedy],
  ),
  'graph-invalid': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the graph in this file is invalid: ${clause(a.problem)}`,
    'Export the model again, or undo what changed the file since',
  ),
  'layer-count': error(
    (a: { found: number; expected: number }) =>
      `the graph has ${a.found} attention layers, but config.json says ${a.expected}`,
    'Put the config.json of this very model beside it',
  ),
  'not-buildable': error(
    (a: { implementation: string; problem: string }) =>
      `${a.implementation} cannot be built for this model: ${clause(a.problem)}`,
    'Leave it out of --impl; attn-diff inspect lists those that can',
  ),
  'rebuild-differs': error(
    /** `clash`: where one number is NaN or infinite and the other is not the same; null where there is none. */
    (a: {
      what: string;
      layer: number | null;
      actual: number;
      limit: number;
      clash: { x: number; reference: number } | null;
    }) =>
      `rebuilding the graph changed its numbers: ${a.clash === null ? 'the relative L2 of ' : ''}${clause(a.what)}${a.layer === null ? '' : ` at layer ${a.layer}`} is ${a.clash === null ? `${formatNumber(a.actual)}, the limit ${formatLimit(a.limit)}` : `${formatNumber(a.clash.x)} in one place where the file's own nodes give ${formatNumber(a.clash.reference)}`}`,
    "No result can be trusted: report this model's exporter and opset as an issue (attn-diff inspect prints them)",
  ),
};
