import { clause, error, quote } from './wording.js';

/** A model of the hub cannot be had: exit code 3. */
export const HUB = {
  'hub-setting': error(
    (a: { name: string; problem: string; remedy: string }) => `${a.name}: ${clause(a.problem)}`,
    (a) => `${a.remedy.slice(0, 1).toUpperCase()}${clause(a.remedy.slice(1))}`,
  ),
  'hub-repo-missing': error(
    (a: { repo: string; endpoint: string }) =>
      `${a.repo}: neither a path here nor a model on ${clause(a.endpoint)}`,
    'Check the name given to --model',
  ),
  'hub-revision-missing': error(
    (a: { repo: string; revision: string }) =>
      `${a.repo}: the model has no branch, tag or commit ${quote(a.revision)}`,
    'Check what follows the @ in --model',
  ),
  'hub-file-missing': error(
    (a: { repo: string; file: string }) => `${a.repo}: the model has no file ${clause(a.file)}`,
    'Choose another model or revision, or export the model yourself',
  ),
  'hub-no-onnx': error(
    (a: { repo: string; files: string[] }) =>
      `${a.repo}: there is no .onnx file at the top or in onnx/${a.files.length > 0 ? `, only ${clause(a.files.join(', '))}; download it and give --model its path` : ''}`,
    'Models of onnx-community have one; others are exported first (optimum-cli export onnx)',
  ),
  'hub-ambiguous': error(
    (a: { repo: string; files: string[]; dtypes: string[] }) =>
      `${a.repo}: several .onnx files: ${clause(a.files.join(', '))}`,
    (a) =>
      a.dtypes.length > 0
        ? `Choose with --dtype: ${a.dtypes.join(', ')}`
        : 'Download the one you mean and give --model its path',
  ),
  'hub-denied': error(
    (a: { repo: string; endpoint: string; status: number }) =>
      `${a.repo}: ${a.endpoint} refuses access (${a.status}): the model is private or does not exist, or the token is not accepted`,
    'Check the name, and set HF_TOKEN to a token that may read it',
  ),
  'hub-gated': error(
    (a: { repo: string; url: string }) => `${a.repo}: the model is gated`,
    (a) => `Ask for access at ${a.url}, and set HF_TOKEN to a token of the account that has it`,
  ),
  'hub-offline': error(
    (a: { what: string; cache: string }) =>
      `${clause(a.what)}: not in the cache ${clause(a.cache)}, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids to ask the hub`,
    'Unset it, or download the model first',
  ),
  'hub-unreachable': error(
    (a: { what: string; endpoint: string; problem: string }) =>
      `${clause(a.what)}: neither a path here nor in the cache, and ${a.endpoint} cannot be reached: ${clause(a.problem)}`,
    'Check the path, or the connection and HF_ENDPOINT',
  ),
  'hub-response': error(
    (a: { url: string; problem: string }) =>
      `${a.url}: not the answer of a hub: ${clause(a.problem)}`,
    'Check HF_ENDPOINT, or try again later',
  ),
  'hub-cut': error(
    (a: { file: string; received: number; problem: string }) =>
      `${clause(a.file)}: the download broke off after ${a.received} bytes: ${clause(a.problem)}`,
    'Run again to go on from there',
  ),
  'hub-checksum': error(
    (a: { file: string; expected: string; actual: string }) =>
      `${clause(a.file)}: what was downloaded is damaged: its digest is ${a.actual}, not ${a.expected}`,
    'It was removed: run again',
  ),
  'hub-cache': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the cache cannot be written: ${clause(a.problem)}`,
    'Make room or give another folder in HF_HOME',
  ),
};
