import type { AttnDiffError, ErrorArgs, ErrorCode } from '../errors.js';
import { IMPLEMENTATIONS, MACHINE_FIELDS } from '../types.js';
import { workflowCommand } from './github.js';
import { differenceSubject, keyValueText } from './baselineText.js';
import { listText } from './listText.js';
import { PROVIDER_REMEDY } from './providerText.js';
import { formatLimit, formatNumber, plural } from './text/number.js';
import { printable, truncate } from './text/width.js';

/** An argument longer than this is cut; the whole of it is of no help on one line. */
const LONGEST = 300;

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'no permission (EACCES)',
  EEXIST: 'another result of this command goes there, or is left there (EEXIST)',
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED)',
  ECONNRESET: 'the connection was cut (ECONNRESET)',
  EISDIR: 'it is a folder (EISDIR)',
  ENOENT: 'no such file or folder (ENOENT)',
  ENOSPC: 'the disk is full (ENOSPC)',
  ENOTFOUND: 'there is no such host (ENOTFOUND)',
  ENOTDIR: 'a part of the path is not a folder (ENOTDIR)',
  EPERM: 'no permission (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
};

const WORDING: { [C in ErrorCode]: (args: ErrorArgs[C]) => string } = {
  usage: (a) => `${clause(a.problem)}. See ${a.command} --help.`,
  'bad-option': (a) => `${a.option}${a.value === null ? '' : ` ${quote(a.value)}`}: ${clause(a.problem)}. Give ${clause(a.remedy)}.`,
  'unknown-implementation': (a) =>
    `${a.option} ${quote(a.value)}: there is no such implementation. Choose from ${IMPLEMENTATIONS.join(', ')}.`,
  'prompts-unreadable': (a) => `${a.path}: the prompt file cannot be read: ${clause(a.problem)}. Check the path given to --prompts or --data.`,
  'prompts-empty': (a) => `${a.path}: the prompt file holds no prompt. Write one prompt a line, or JSONL with "text" or "messages".`,
  'prompts-not-utf8': (a) => `${a.path}: the prompt file is not UTF-8 text. Save it as UTF-8 and run again.`,
  'prompts-bad-jsonl': (a) =>
    `${a.path}:${a.line}: not a prompt: ${clause(a.problem)}. Each line of a JSONL file is an object with "text", or with "messages" (a list of objects with "role" and "content") for the model's chat template.`,
  'prompt-no-tokens': (a) => `prompt ${quote(a.prompt)}: the tokenizer makes no token of it. Remove it, or give it text.`,
  'prompt-too-long': (a) =>
    `prompt ${quote(a.prompt)}: ${a.tokens} tokens, but the model has ${a.limit} positions. Shorten it, or cut all prompts with --length ${a.limit}.`,
  'mask-unreadable': (a) => `${a.path}: the mask cannot be read: ${clause(a.problem)}. Check the path given to --mask.`,
  'mask-invalid': (a) =>
    `${a.path}: not a mask: ${clause(a.problem)}. Save it with numpy.save or as safetensors, of shape [batch or 1, heads or 1, length, length], as bool or as floats to add.`,
  'mask-shape': (a) =>
    `${a.path}: the mask has the shape ${a.found}, but batch ${a.batch} needs ${a.needed}. Make the mask for these prompts, or fix the length of their rows with --length.`,
  'tokenizer-missing': (a) =>
    `${a.folder}: there is no tokenizer.json. Put it beside the model, or run on random tokens with --random BxT (for example --random 2x16).`,
  'tokenizer-unreadable': (a) =>
    `${a.path}: the tokenizer cannot be read: ${clause(a.problem)}. Copy it again from where the model came from, or use --random BxT.`,
  'pad-token-missing': (a) =>
    `${a.folder}: the tokenizer names no padding token. Name one in tokenizer_config.json ("pad_token") or config.json ("pad_token_id").`,
  'chat-template-missing': (a) =>
    `${a.folder}: there is no chat template, neither chat_template.jinja nor "chat_template" in tokenizer_config.json. Drop --chat and give plain text ("text", not "messages"), or put the model's own template there.`,
  'chat-template-unusable': (a) =>
    `${a.path}: the chat template cannot be used: ${clause(a.problem)}. Drop --chat and give plain text ("text", not "messages"), or put the model's own template there.`,
  'token-out-of-range': (a) =>
    `the tokenizer gives token ${a.id}, but the model's vocabulary has ${a.vocabSize} entries. Put the model's own tokenizer.json beside it.`,
  'provider-missing': (a) =>
    `the execution provider ${quote(a.provider)} cannot be used here: ${clause(a.problem)}. ${PROVIDER_REMEDY[a.provider] ? `${PROVIDER_REMEDY[a.provider]}; attn-diff doctor tells what is there. ` : ''}This platform has ${a.available.join(', ')}.`,
  'file-exists': (a) => `${a.path}: it is there already. Give --force to replace it, or --ci none to write no workflow.`,
  'output-not-writable': (a) => `${a.path}: cannot be written: ${clause(a.problem)}. Choose another path.`,
  'folder-not-writable': (a) => `${a.path}: the folder cannot be written: ${clause(a.problem)}. Choose another path for --save-repro.`,
  'model-not-found': (a) => `${a.path}: no such file or folder. Give --model an .onnx file, the folder that holds it, or owner/name of a model on the hub.`,
  'model-no-onnx': (a) =>
    `${a.folder}: there is no .onnx file in this folder. Export the model first (optimum-cli export onnx), or give --model the file itself.`,
  'model-ambiguous': (a) =>
    `${a.folder}: several .onnx files: ${clause(a.files.join(', '))}. Give --model one of them${a.dtypes.length > 0 ? `, or choose with --dtype: ${a.dtypes.join(', ')}` : ''}.`,
  'dtype-missing': (a) =>
    `${a.folder}: there is no .onnx file of dtype ${a.dtype}. ${a.available.length > 0 ? `Give --dtype one that is there: ${a.available.join(', ')}` : 'No .onnx file there is named by a dtype: leave --dtype out'}.`,
  'model-unreadable': (a) => `${a.path}: the model cannot be read: ${clause(a.problem)}. Check the path and its permissions.`,
  'model-empty': (a) => `${a.path}: the file is empty. Export or download it again; with git, fetch it with git lfs pull.`,
  'model-not-onnx': (a) => `${a.path}: not a whole ONNX file: ${clause(a.problem)}. Export or download it again.`,
  'hub-setting': (a) => `${a.name}: ${clause(a.problem)}: ${clause(a.remedy)}.`,
  'hub-repo-missing': (a) => `${a.repo}: neither a path here nor a model on ${clause(a.endpoint)}. Check the name given to --model.`,
  'hub-revision-missing': (a) => `${a.repo}: the model has no branch, tag or commit ${quote(a.revision)}. Check what follows the @ in --model.`,
  'hub-file-missing': (a) => `${a.repo}: the model has no file ${clause(a.file)}. Choose another model or revision, or export the model yourself.`,
  'hub-no-onnx': (a) =>
    `${a.repo}: there is no .onnx file at the top or in onnx/${a.files.length > 0 ? `, only ${clause(a.files.join(', '))}; download it and give --model its path` : ''}. Models of onnx-community have one; others are exported first (optimum-cli export onnx).`,
  'hub-ambiguous': (a) =>
    `${a.repo}: several .onnx files: ${clause(a.files.join(', '))}. ${a.dtypes.length > 0 ? `Choose with --dtype: ${a.dtypes.join(', ')}` : 'Download the one you mean and give --model its path'}.`,
  'hub-denied': (a) =>
    `${a.repo}: ${a.endpoint} refuses access (${a.status}): the model is private or does not exist, or the token is not accepted. Check the name, and set HF_TOKEN to a token that may read it.`,
  'hub-gated': (a) => `${a.repo}: the model is gated. Ask for access at ${a.url}, and set HF_TOKEN to a token of the account that has it.`,
  'hub-offline': (a) =>
    `${clause(a.what)}: not in the cache ${clause(a.cache)}, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids to ask the hub. Unset it, or download the model first.`,
  'hub-unreachable': (a) =>
    `${clause(a.what)}: neither a path here nor in the cache, and ${a.endpoint} cannot be reached: ${clause(a.problem)}. Check the path, or the connection and HF_ENDPOINT.`,
  'hub-response': (a) => `${a.url}: not the answer of a hub: ${clause(a.problem)}. Check HF_ENDPOINT, or try again later.`,
  'hub-cut': (a) => `${clause(a.file)}: the download broke off after ${a.received} bytes: ${clause(a.problem)}. Run again to go on from there.`,
  'hub-checksum': (a) =>
    `${clause(a.file)}: what was downloaded is damaged: its digest is ${a.actual}, not ${a.expected}. It was removed: run again.`,
  'hub-cache': (a) => `${a.path}: the cache cannot be written: ${clause(a.problem)}. Make room or give another folder in HF_HOME.`,
  'config-missing': (a) => `${a.path}: there is no such file. Put the model's config.json there, beside the .onnx file.`,
  'config-unreadable': (a) =>
    `${a.path}: the model's configuration cannot be read: ${clause(a.problem)}. Copy config.json again from where the model came from.`,
  'config-unsupported': (a) => `${a.path}: ${clause(a.problem)}. Use a model of the Qwen2 family.`,
  'external-data-missing': (a) =>
    `${a.path}: there is no such file, yet the model keeps the weights of ${quote(a.tensor)} in it. Copy it beside the .onnx file, under the same name.`,
  'external-data-short': (a) =>
    `${a.path}: ${a.size} bytes, but the weights of ${quote(a.tensor)} end at byte ${a.needed}. The file is cut off: copy or download it again.`,
  'external-data-outside': (a) =>
    `the weights of ${quote(a.tensor)} point to ${quote(a.location)}, outside the model's folder, and are not read. Export the model again with its data beside it.`,
  'external-data-invalid': (a) =>
    `the external data of ${quote(a.tensor)} is not described rightly: ${clause(a.problem)}. Export the model again.`,
  'no-attention': (a) => `${a.path}: no attention was found in this model. Give --model a decoder of the Qwen2 family.`,
  'site-not-recognised': (a) =>
    `layer ${a.layer}: the attention at node ${quote(a.node)} (${a.opType}) was not recognised: ${clause(a.problem)}. Export the model again with attn_implementation="eager", or report this node as an issue.`,
  'graph-not-supported': (a) =>
    `the model's graph is not supported: ${clause(a.problem)}. Export it again with optimum-onnx or torch.onnx.export(dynamo=True).`,
  'layer-count': (a) =>
    `the graph has ${a.found} attention layers, but config.json says ${a.expected}. Put the config.json of this very model beside it.`,
  'not-buildable': (a) =>
    `${a.implementation} cannot be built for this model: ${clause(a.problem)}. Leave it out of --impl; attn-diff inspect lists those that can.`,
  'rebuild-differs': (a) =>
    `rebuilding the graph changed its numbers: the relative L2 of ${clause(a.what)}${a.layer === null ? '' : ` at layer ${a.layer}`} is ${formatNumber(a.actual)}, the limit ${formatLimit(a.limit)}. No result can be trusted: report this model's exporter and opset as an issue (attn-diff inspect prints them).`,
  'execution-failed': (a) =>
    `${clause(a.stage)} failed: ${clause(a.problem)}. Try a smaller batch (--length, fewer prompts) or fewer implementations (--impl).`,
  'runner-crashed': (a) =>
    `${clause(a.stage)}: the process that runs the model died (${a.signal}). It may have run out of memory: try a smaller batch (--length, fewer prompts) or fewer implementations (--impl).`,
  'timed-out': (a) =>
    `${clause(a.stage)}: no answer within ${plural(a.seconds, 'second')}. Give it longer with --timeout, or try a smaller batch (--length, fewer prompts).`,
  interrupted: (a) =>
    a.kept === null
      ? 'interrupted; nothing was written. Run the command again.'
      : `interrupted after ${a.kept.done} of ${a.kept.total} batches, which are kept in ${clause(a.kept.path)}. Run the same command with --resume to go on.`,
  'resume-unasked': (a) => `${a.path}: it holds ${plural(a.batches, 'finished batch', 'finished batches')} of an interrupted run. Go on from there with --resume, or remove it.`,
  'resume-mismatch': (a) =>
    `${a.path}: it was written with another ${a.field === 'options' || a.field === 'data' ? a.field : `version or file of ${a.field}`}, so its batches cannot be part of this run. Run the very command that was interrupted, or remove the file.`,
  'config-file-unreadable': (a) => `${a.path}: it cannot be read as a configuration: ${clause(a.problem)}. Give --config a file that can, or leave it out.`,
  'config-file-invalid': (a) => `${a.path}:${a.line}${a.key === null ? '' : `, ${a.key}`}: ${clause(a.problem)}. attn-diff schema config lists what a configuration may hold.`,
  'config-file-ambiguous': (a) => `there are several configurations, ${listText(a.paths)}. Keep one, or name it with --config.`,
  'config-file-there': (a) => `${a.path}: it holds a configuration already, and there may be one only. Change that, or remove it.`,
  'history-unreadable': (a) => `${a.path}${a.line === null ? '' : `:${a.line}`}: it is no history that attn-diff run wrote with --history: ${clause(a.problem)}. Give such a file.`,
  'report-unreadable': (a) => `${a.path}: no run can be read from it: ${clause(a.problem)}. Give a file that attn-diff wrote with --report json=FILE or --save-baseline FILE.`,
  'baseline-mismatch': (a) =>
    `${a.path}: it measures something else: ${differenceSubject(a)}: ${clause(keyValueText(a.was))} there, ${clause(keyValueText(a.is))} here${a.fields.length > 1 ? `; ${a.fields.slice(1).join(', ')} too` : ''}. Let that pass with --allow ${a.fields.join(',')}, or save a new baseline with --save-baseline.`,
  'baseline-apart': (a) => `${a.path}: nothing can be compared, since of the ${a.what} none is in both: ${clause(a.was)} there, ${clause(a.is)} here. Run what was run then, or save a new baseline with --save-baseline.`,
  'baseline-shard': (a) => `${a.path}: it is part ${a.index} of ${a.count} of a run, and no baseline. Join the parts first (attn-diff merge).`,
  'resume-unreadable': (a) => `${a.path}: it is not what an interrupted run leaves: ${clause(a.problem)}. Remove it, or give --output another name.`,
  'merge-not-shard': (a) => `${a.path}: it is the report of a whole run, not of a shard. Give the JSON reports of runs with --shard i/n, and nothing else.`,
  'merge-differs': (a) =>
    `${a.path}: ${a.field} is ${valueText(a.value)}, but ${valueText(a.otherValue)} in ${a.other}, so these are not shards of one run. ${differenceRemedy(a.field)}.`,
  'merge-twice': (a) => `${a.path}: it is shard ${a.index}, as ${a.other} is. Give each shard once.`,
  'merge-missing': (a) => `${a.missing.length === 1 ? 'shard' : 'shards'} ${clause(a.missing.join(', '))} of ${a.count} ${a.missing.length === 1 ? 'is' : 'are'} missing. Give the JSON reports of all.`,
  'merge-damaged': (a) => `${a.path}: it is not as attn-diff wrote it: ${clause(a.problem)}. Run that shard again.`,
  'merge-unanswered': (a) => `${a.path}: it does not hold what a second look at ${a.implementation} in batch ${a.batch} found, which the report of the whole needs. Run that shard again, with the same version of attn-diff.`,
};

/**
 * What is wrong and what to do, for each error that a user can act on.
 *
 * @returns one line, without a line end: control characters in the arguments become spaces, long ones are cut
 */
export function errorText(error: AttnDiffError): string {
  // One place to undo what TypeScript cannot follow: the wording of a code takes the arguments of that code.
  const wording = WORDING[error.code] as (args: ErrorArgs[ErrorCode]) => string;
  return printable(wording(error.args));
}

/** One line for GitHub Actions, where the summary of a step could not be written; the run goes on. */
export function summaryProblemText(path: string, problem: string): string {
  return workflowCommand({ level: 'warning', title: 'attn-diff', message: `${path}: the step summary cannot be written: ${clause(problem)}. The report itself is not touched; --no-ci leaves the summary out.` });
}

function valueText(json: string | null): string {
  return json === null ? 'absent' : truncate(printable(json), 80);
}

function differenceRemedy(field: string): string {
  const machine = MACHINE_FIELDS.find((each) => field === `environment.${each}` || field === `shard.${each}`);
  return machine ? `Run all shards on machines of one kind, or let it differ with --allow ${machine}` : 'Run all shards with the same command, the same files and the same version';
}

function quote(text: string): string {
  return `"${truncate(printable(text), 60)}"`;
}

/** The text without the full stop or line end that it may bring along; an operating system's error code in words. */
function clause(text: string): string {
  return SYSTEM_ERRORS[text] ?? truncate(printable(text), LONGEST).replace(/[.\s]+$/, '');
}
