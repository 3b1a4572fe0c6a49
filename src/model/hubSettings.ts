import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AttnDiffError } from '../errors.js';

/** How a hub is reached and where its files are kept, from the variables that Python's huggingface_hub reads. */
export interface HubSettings {
  /** Without a slash at its end. */
  endpoint: string;
  token: string | null;
  /** Holds a folder per model. */
  cache: string;
  offline: boolean;
  /** Whether snapshots may link to blobs. */
  symlinks: boolean;
  /** Longest silence of a server, in milliseconds. */
  timeout: number;
  /** Ends every request. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const DEFAULT_TIMEOUT_SECONDS = 30;

/**
 * Reads HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HOME, HF_HUB_CACHE, XDG_CACHE_HOME,
 * HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_DISABLE_SYMLINKS and HF_HUB_DOWNLOAD_TIMEOUT.
 *
 * @throws AttnDiffError hub-setting
 */
export async function readHubSettings(env: NodeJS.ProcessEnv): Promise<HubSettings> {
  const home =
    given(env, 'HF_HOME') ??
    join(given(env, 'XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: endpoint(env['HF_ENDPOINT'] || DEFAULT_ENDPOINT),
    token: await token(env, home),
    cache: given(env, 'HF_HUB_CACHE') ?? given(env, 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    offline: isTrue(env['HF_HUB_OFFLINE'] || env['TRANSFORMERS_OFFLINE']),
    symlinks: !isTrue(env['HF_HUB_DISABLE_SYMLINKS']),
    timeout: timeout(env['HF_HUB_DOWNLOAD_TIMEOUT']) * 1000,
  };
}

/** A path from the environment, with `~` and `$NAME` expanded as Python does. */
function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const path = env[name];
  if (!path) return undefined;
  const expanded = path.replace(/^~(?=$|[/\\])/, homedir());
  return expanded.replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (whole, braced: string | undefined, bare: string | undefined) =>
      env[braced ?? bare ?? ''] ?? whole,
  );
}

function isTrue(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? '');
}

function endpoint(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new AttnDiffError('hub-setting', {
      name: 'HF_ENDPOINT',
      problem: `"${value}" is not an http or https address`,
      remedy: `unset it, or give the address of a hub, such as ${DEFAULT_ENDPOINT}`,
    });
  }
  return value.replace(/\/+$/, '');
}

async function token(env: NodeJS.ProcessEnv, home: string): Promise<string | null> {
  const named = clean(env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN']);
  if (named !== null) return checked(named, 'HF_TOKEN');
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return null;
  const path = given(env, 'HF_TOKEN_PATH') ?? join(home, 'token');
  const stored = clean(await readFile(path, 'utf8').catch(() => undefined));
  return stored === null ? null : checked(stored, path);
}

function clean(text: string | undefined): string | null {
  return text?.replace(/[\r\n]/g, '').trim() || null;
}

/** What does not fit a header line must not get as far as an error of fetch, which would print it. */
function checked(text: string, name: string): string {
  if (/^[\x21-\x7E]+$/.test(text)) return text;
  throw new AttnDiffError('hub-setting', {
    name,
    problem: 'it holds characters that no token has',
    remedy: 'copy the token again from the hub',
  });
}

function timeout(text: string | undefined): number {
  if (!text) return DEFAULT_TIMEOUT_SECONDS;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0 && seconds < 86_400) return seconds;
  throw new AttnDiffError('hub-setting', {
    name: 'HF_HUB_DOWNLOAD_TIMEOUT',
    problem: `"${text}" is not a number of seconds`,
    remedy: 'unset it, or give seconds, such as 30',
  });
}
