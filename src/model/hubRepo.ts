import { posix } from 'node:path';
import { parseBoundedJson } from '../boundedJson.js';
import { AttnDiffError } from '../errors.js';
import { HubCache, isCommit } from './hubCache.js';
import { downloadBlob, type HubFile, type HubProgress } from './hubDownload.js';
import {
  backOff,
  HubNetworkError,
  hubRequest,
  isBusy,
  textOf,
  type HubReply,
  type HubRequest,
} from './hubHttp.js';
import type { HubId } from './hubId.js';
import type { HubSettings } from './hubSettings.js';

/** A model of a hub at one commit. */
export interface HubRepo {
  commit: string;
  /** Holds what was fetched, under its path in the repository. */
  folder: string;
  /** Paths in the repository; where the hub was not asked, only those in the cache. */
  files: string[];
  /** Whether `files` is all that the repository has. */
  complete: boolean;
  /** Brings a file into `folder`, from the cache or from the hub. */
  fetch(file: string): Promise<string>;
  /** Notes that the revision is this commit, once everything needed is there. */
  remember(): Promise<void>;
}

export interface HubCallbacks {
  onProgress: (progress: HubProgress) => void;
  /** Something that the user should know although the work goes on. */
  onNotice: (text: string) => void;
  /** Milliseconds before the second try of a request; doubles with each. */
  retryDelay: number;
}

const TRIES = 5;

/**
 * Finds which commit a revision is and which files it has; offline, and where the hub cannot be reached, from the cache.
 *
 * @throws AttnDiffError the hub- codes
 */
export async function openHubRepo(
  id: HubId,
  settings: HubSettings,
  callbacks: HubCallbacks,
): Promise<HubRepo> {
  const cache = new HubCache(settings.cache, id.repo, settings.symlinks);
  const cached = await cache.commitOf(id.revision);
  const haveCached = cached !== null && (await cache.files(cached)).length > 0;
  if (settings.offline) {
    const absent = (what: string): AttnDiffError =>
      new AttnDiffError('hub-offline', { what, cache: settings.cache });
    if (!haveCached) throw absent(name(id));
    return cachedRepo(id, cached, cache, absent);
  }
  try {
    // With something to fall back on there is no reason to wait for a hub that is down.
    return await onlineRepo(id, cache, settings, { ...callbacks, tries: haveCached ? 1 : TRIES });
  } catch (error) {
    if (!(error instanceof HubNetworkError)) throw error;
    const { endpoint } = settings;
    const unreachable = (what: string): AttnDiffError =>
      new AttnDiffError('hub-unreachable', { what, endpoint, problem: error.problem });
    if (!haveCached) throw unreachable(name(id));
    callbacks.onNotice(
      `${endpoint} cannot be reached (${error.problem}): taking ${id.repo} at commit ${cached} from the cache`,
    );
    return cachedRepo(id, cached, cache, unreachable);
  }
}

function name({ repo, revision }: HubId): string {
  return revision === 'main' ? repo : `${repo}@${revision}`;
}

async function cachedRepo(
  id: HubId,
  commit: string,
  cache: HubCache,
  absent: (what: string) => AttnDiffError,
): Promise<HubRepo> {
  return {
    commit,
    folder: cache.snapshot(commit),
    files: await cache.files(commit),
    complete: false,
    fetch: async (file) => {
      const path = await cache.find(commit, file);
      if (path === null) throw absent(`${file} of ${name(id)}`);
      return path;
    },
    remember: async () => undefined,
  };
}

async function onlineRepo(
  id: HubId,
  cache: HubCache,
  settings: HubSettings,
  callbacks: HubCallbacks & { tries: number },
): Promise<HubRepo> {
  const { commit, files } = await listing(id, settings, callbacks);
  return {
    commit,
    folder: cache.snapshot(commit),
    files,
    complete: true,
    fetch: async (file) => {
      const found = await cache.find(commit, file);
      if (found !== null) return found;
      const described = await describe(id, commit, file, settings, callbacks.retryDelay);
      const blob = cache.blob(described.etag);
      await downloadBlob(blob, described, {
        ...callbacks,
        settings,
        refuse: (reply, what) => refusal(reply, id, settings, what),
      });
      return cache.addToSnapshot(commit, file, blob);
    },
    remember: () => cache.setRef(id.revision, commit),
  };
}

/** Bytes of a list of files; of the largest repositories of the hub it takes some millions. */
const LARGEST_LISTING = 50e6;
const LONGEST_LISTING = 300;

/** The commit and the files of a revision, by the hub's API. */
async function listing(
  id: HubId,
  settings: HubSettings,
  { tries, retryDelay }: { tries: number; retryDelay: number },
): Promise<{ commit: string; files: string[] }> {
  const url = `${settings.endpoint}/api/models/${id.repo}/revision/${encodeURIComponent(id.revision)}`;
  return persist(settings, { method: 'GET', url }, tries, retryDelay, async (reply) => {
    if (reply.status !== 200) throw refusal(reply, id, settings, null);
    const text = await textOf(reply, LARGEST_LISTING, LONGEST_LISTING);
    if (text === null)
      throw new AttnDiffError('hub-response', {
        url,
        problem: `it is longer than ${LARGEST_LISTING / 1e6} MB, or still comes after ${LONGEST_LISTING} seconds`,
      });
    const { sha, siblings } = parse(text);
    const names = Array.isArray(siblings)
      ? siblings.map((entry) => (entry as { rfilename?: unknown } | null)?.rfilename)
      : null;
    if (typeof sha !== 'string' || !isCommit(sha) || !names) {
      throw new AttnDiffError('hub-response', {
        url,
        problem: 'it names no commit and no files of the model',
      });
    }
    return {
      commit: sha,
      files: names.filter((file): file is string => typeof file === 'string' && isInside(file)),
    };
  });
}

function parse(text: string): { sha?: unknown; siblings?: unknown } {
  try {
    return (parseBoundedJson(text) as object | null) ?? {};
  } catch {
    return {};
  }
}

/** Whether a path of a repository stays inside the folder that it is written to. */
function isInside(file: string): boolean {
  return (
    posix.normalize(file) === file &&
    !file.startsWith('/') &&
    !/^\.\.(?:\/|$)/.test(file) &&
    !/[\\:\p{Cc}]/u.test(file)
  );
}

/** What the hub says of a file before it is fetched. */
async function describe(
  id: HubId,
  commit: string,
  file: string,
  settings: HubSettings,
  retryDelay: number,
): Promise<HubFile> {
  const url = `${settings.endpoint}/${id.repo}/resolve/${commit}/${file.split('/').map(encodeURIComponent).join('/')}`;
  const request: HubRequest = { method: 'HEAD', url, stayOnHub: true };
  try {
    return await persist(settings, request, TRIES, retryDelay, async (reply) => {
      await reply.discard();
      if (reply.status >= 400) throw refusal(reply, id, settings, file);
      const { headers } = reply;
      const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '')
        .replace(/^W\//, '')
        .replaceAll('"', '');
      if (!/^[\w-]+$/.test(etag))
        throw new AttnDiffError('hub-response', { url, problem: 'it names no ETag of the file' });
      const size =
        headers.get('x-linked-size') ?? (reply.status < 300 ? headers.get('content-length') : null);
      return {
        name: file,
        url,
        etag,
        size: size !== null && /^\d+$/.test(size) ? Number(size) : null,
      };
    });
  } catch (error) {
    if (!(error instanceof HubNetworkError)) throw error;
    throw new AttnDiffError('hub-cut', { file, received: 0, problem: error.problem });
  }
}

/** Sends a request until it is answered: by anything but a status that says to come again. */
async function persist<T>(
  settings: HubSettings,
  request: HubRequest,
  tries: number,
  retryDelay: number,
  read: (reply: HubReply) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let headers: Headers | undefined;
    try {
      const reply = await hubRequest(settings, request);
      if (!isBusy(reply.status)) return await read(reply);
      await reply.discard();
      ({ headers } = reply);
      throw new HubNetworkError(`it answers ${reply.status}`, true);
    } catch (error) {
      if (!(error instanceof HubNetworkError) || !error.transient || attempt >= tries) throw error;
    }
    await backOff(attempt, retryDelay, headers, settings.signal);
  }
}

/**
 * The error for an answer that is no file. The hub answers 401 to the unknown for what is private and what does not exist.
 *
 * @param file null where the model itself was asked for
 */
function refusal(
  { status, headers }: HubReply,
  id: HubId,
  { endpoint }: HubSettings,
  file: string | null,
): AttnDiffError {
  const { repo, revision } = id;
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo')
    return new AttnDiffError('hub-gated', { repo, url: `${endpoint}/${repo}` });
  if (status === 401 || status === 403)
    return new AttnDiffError('hub-denied', { repo, endpoint, status });
  if (status !== 404)
    return new AttnDiffError('hub-response', {
      url: `${endpoint}/${repo}`,
      problem: `it answers ${status}`,
    });
  if (code === 'RevisionNotFound')
    return new AttnDiffError('hub-revision-missing', { repo, revision });
  if (file !== null) return new AttnDiffError('hub-file-missing', { file, repo: name(id) });
  return new AttnDiffError('hub-repo-missing', { repo, endpoint });
}
