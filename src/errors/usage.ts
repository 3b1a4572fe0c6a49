import { IMPLEMENTATIONS } from '../types.js';
import type { CudaCheck, LibraryCheck } from '../doctorTypes.js';
import { cudaRemedy, PROVIDER_REMEDY } from '../report/providerText.js';
import { formatCount } from '../report/text/number.js';
import { clause, error, isFull, quote } from './wording.js';

/** What is asked for cannot be done: exit code 2. */
export const USAGE = {
  usage: error(
    (a: { problem: string; command: string }) => clause(a.problem),
    (a) => `See ${a.command} --help`,
  ),
  /** `value` is null where the option was not given. */
  'bad-option': error(
    (a: { option: string; value: string | null; problem: string; remedy: string }) =>
      `${a.option}${a.value === null ? '' : ` ${quote(a.value)}`}: ${clause(a.problem)}`,
    (a) => `Give ${clause(a.remedy)}`,
  ),
  'unknown-implementation': error(
    (a: { option: string; value: string }) =>
      `${a.option} ${quote(a.value)}: there is no such implementation`,
    `Choose from ${IMPLEMENTATIONS.join(', ')}`,
  ),
  'prompts-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the prompt file cannot be read: ${clause(a.problem)}`,
    'Check the path given to --prompts or --data',
  ),
  'prompts-empty': error(
    (a: { path: string }) => `${a.path}: the prompt file holds no prompt`,
    'Write one prompt a line, or JSONL with "text" or "messages"',
  ),
  'prompts-not-utf8': error(
    (a: { path: string }) => `${a.path}: the prompt file is not UTF-8 text`,
    'Save it as UTF-8 and run again',
  ),
  'prompts-bad-jsonl': error(
    (a: { path: string; line: number; problem: string }) =>
      `${a.path}:${a.line}: not a prompt: ${clause(a.problem)}`,
    `Each line of a JSONL file is an object with "text", or with "messages" (a list of objects with "role" and "content") for the model's chat template`,
  ),
  'prompt-no-tokens': error(
    (a: { prompt: string }) => `prompt ${quote(a.prompt)}: the tokenizer makes no token of it`,
    'Remove it, or give it text',
  ),
  'prompt-too-long': error(
    (a: { prompt: string; tokens: number; limit: number }) =>
      `prompt ${quote(a.prompt)}: ${a.tokens} tokens, but the model has ${a.limit} positions`,
    (a) => `Shorten it, or cut all prompts with --length ${a.limit}`,
  ),
  'prompt-too-large': error(
    (a: { prompt: string; characters: number; most: number }) =>
      `prompt ${quote(a.prompt)}: ${formatCount(a.characters)} characters, and no more than ${formatCount(a.most)} are made tokens of`,
    'Shorten it, or split it into several prompts',
  ),
  'mask-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the mask cannot be read: ${clause(a.problem)}`,
    'Check the path given to --mask',
  ),
  'mask-invalid': error(
    (a: { path: string; problem: string }) => `${a.path}: not a mask: ${clause(a.problem)}`,
    'Save it with numpy.save or as safetensors, of shape [batch or 1, heads or 1, length, length], as bool or as floats to add',
  ),
  'mask-shape': error(
    (a: { path: string; found: string; needed: string; batch: string }) =>
      `${a.path}: the mask has the shape ${a.found}, but batch ${a.batch} needs ${a.needed}`,
    'Make the mask for these prompts, or fix the length of their rows with --length',
  ),
  'tokenizer-missing': error(
    (a: { folder: string }) => `${a.folder}: there is no tokenizer.json`,
    'Put it beside the model, or run on random tokens with --random BxT (for example --random 2x16)',
  ),
  'tokenizer-unreadable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the tokenizer cannot be read: ${clause(a.problem)}`,
    'Copy it again from where the model came from, or use --random BxT',
  ),
  'pad-token-missing': error(
    (a: { folder: string }) => `${a.folder}: the tokenizer names no padding token`,
    'Name one in tokenizer_config.json ("pad_token") or config.json ("pad_token_id")',
  ),
  'chat-template-missing': error(
    (a: { folder: string }) =>
      `${a.folder}: there is no chat template, neither chat_template.jinja nor "chat_template" in tokenizer_config.json`,
    `Drop --chat and give plain text ("text", not "messages"), or put the model's own template there`,
  ),
  'chat-template-unusable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the chat template cannot be used: ${clause(a.problem)}`,
    `Drop --chat and give plain text ("text", not "messages"), or put the model's own template there`,
  ),
  'token-out-of-range': error(
    (a: { id: number; vocabSize: number }) =>
      `the tokenizer gives token ${a.id}, but the model's vocabulary has ${a.vocabSize} entries`,
    "Put the model's own tokenizer.json beside it",
  ),
  'provider-missing': error(
    (a: {
      provider: string;
      problem: string;
      available: string[];
      cuda: { cuda: CudaCheck; libraries: LibraryCheck[] } | null;
    }) => `the execution provider ${quote(a.provider)} cannot be used here: ${clause(a.problem)}`,
    (a) => {
      const remedy = a.cuda
        ? cudaRemedy(a.cuda.cuda, a.cuda.libraries)
        : (PROVIDER_REMEDY[a.provider] ?? null);
      const first = remedy?.charAt(0).toUpperCase();
      const more = remedy ? `${first}${remedy.slice(1)}. Run attn-diff doctor for more. ` : '';
      return `${more}This platform has ${a.available.join(', ')}`;
    },
  ),
  'file-exists': error(
    (a: { path: string }) => `${a.path}: it is there already`,
    'Give --force to replace it, or --ci none to write no workflow',
  ),
  'output-not-writable': error(
    (a: { path: string; problem: string }) => `${a.path}: cannot be written: ${clause(a.problem)}`,
    (a) => `${isFull(a.problem) ? 'Make room there, or choose' : 'Choose'} another path`,
  ),
  'folder-not-writable': error(
    (a: { path: string; problem: string }) =>
      `${a.path}: the folder cannot be written: ${clause(a.problem)}`,
    (a) =>
      `${isFull(a.problem) ? 'Make room there, or choose' : 'Choose'} another path for --save-repro`,
  ),
  /** `variable` names the folder: TMPDIR, or TEMP on Windows. */
  'temporary-folder': error(
    (a: { path: string; variable: string; problem: string }) =>
      `${a.path}: temporary files cannot be kept there: ${clause(a.problem)}`,
    (a) =>
      `${isFull(a.problem) ? 'Make room there, or set' : 'Set'} ${a.variable} to a folder that exists, may be written to and has room`,
  ),
};
