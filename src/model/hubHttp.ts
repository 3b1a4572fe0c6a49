import { setTimeout as sleep } from 'node:timers/promises';
import type { HubSettings } from './hubSettings.js';

/** What a connection failed of; worth another try. */
export class HubNetworkError extends Error {
  constructor(
    readonly problem: string,
    /** False where the host is not there at all. */
    readonly transient: boolean,
  ) {
    super(problem);
  }
}

export interface HubRequest {
  method: 'GET' | 'HEAD';
  url: string;
  headers?: Record<string, string>;
  /** Whether to hand back the redirect that describes a file, or leads to another host, instead of following it. */
  stayOnHub?: boolean;
}

export interface HubReply {
  status: number;
  headers: Headers;
  /** The body, as it comes; ends with an error where the server is silent for too long. */
  body: AsyncIterable<Uint8Array>;
  /** Frees the connection of a body that is not read. */
  discard(): Promise<void>;
}

const MAX_REDIRECTS = 10;
/** Statuses that another try may cure. */
const BUSY = new Set([408, 429, 500, 502, 503, 504]);
/** Without them there is no other end: a second try answers the same. */
const NOBODY = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Sends one request and follows its redirects. The token goes to the hub's own host only.
 *
 * @throws HubNetworkError; the reason of the settings' signal, where that aborts
 */
export async function hubRequest(settings: HubSettings, request: HubRequest): Promise<HubReply> {
  const { endpoint, token, timeout, signal } = settings;
  let { url } = request;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers: Record<string, string> = {
      'accept-encoding': 'identity',
      'user-agent': 'attn-diff',
      ...request.headers,
    };
    if (token !== null && isHub(url, endpoint)) headers['authorization'] = `Bearer ${token}`;
    const reply = await send(request.method, url, headers, timeout, signal);
    const location =
      reply.status >= 300 && reply.status < 400 ? reply.headers.get('location') : null;
    if (location === null) return reply;
    const target = URL.canParse(location, url) ? new URL(location, url) : null;
    if (!target || !/^https?:$/.test(target.protocol))
      throw new HubNetworkError(`it redirects to ${location}`, false);
    if (request.stayOnHub && (!isHub(target.href, endpoint) || reply.headers.has('x-linked-etag')))
      return reply;
    await reply.discard();
    url = target.href;
  }
  throw new HubNetworkError(`it redirects more than ${MAX_REDIRECTS} times`, false);
}

/** The body of a reply as text; null, and no more is read, where it has more bytes, or takes more seconds. */
export async function textOf(
  reply: Pick<HubReply, 'body'>,
  mostBytes: number,
  seconds: number,
): Promise<string | null> {
  const parts: Uint8Array[] = [];
  const until = performance.now() + seconds * 1000;
  let size = 0;
  for await (const chunk of reply.body) {
    size += chunk.length;
    if (size > mostBytes || performance.now() > until) return null;
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Whether another try may cure an answer of this status. */
export function isBusy(status: number): boolean {
  return BUSY.has(status);
}

/** Waits before try number `attempt` (from 1): as long as the server asks for, at most a minute, else ever longer; not on where `signal` aborts. */
export async function backOff(
  attempt: number,
  delay: number,
  headers: Headers | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const asked = Number(headers?.get('retry-after') ?? NaN);
  await sleep(
    Number.isFinite(asked) && asked >= 0 ? Math.min(asked, 60) * 1000 : delay * 2 ** (attempt - 1),
    undefined,
    { signal },
  ).catch(() => signal?.throwIfAborted());
}

/** A change from http to https on the same host and port keeps the token; any other change of origin loses it. */
function isHub(url: string, endpoint: string): boolean {
  const [target, hub] = [new URL(url), new URL(endpoint)];
  return (
    target.origin === hub.origin ||
    (target.hostname === hub.hostname &&
      target.protocol === 'https:' &&
      hub.port === '' &&
      target.port === '')
  );
}

async function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  timeout: number,
  signal?: AbortSignal,
): Promise<HubReply> {
  const controller = new AbortController();
  const abort = (): void =>
    controller.abort(new HubNetworkError(`it sent nothing for ${timeout / 1000} s`, true));
  const guard = async <T>(step: Promise<T>): Promise<T> => {
    const timer = setTimeout(abort, timeout);
    try {
      return await step;
    } catch (error) {
      signal?.throwIfAborted();
      throw networkError(error);
    } finally {
      clearTimeout(timer);
    }
  };
  const response = await guard(
    fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: signal ? AbortSignal.any([controller.signal, signal]) : controller.signal,
    }),
  );
  return {
    status: response.status,
    headers: response.headers,
    body: chunks(response, guard),
    discard: async () => void (await response.body?.cancel().catch(() => undefined)),
  };
}

async function* chunks(
  { body }: Response,
  guard: <T>(step: Promise<T>) => Promise<T>,
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await guard(reader.read());
      if (done) return;
      yield value as Uint8Array;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** fetch says "fetch failed" or "terminated" and hides the reason in `cause`. */
function networkError(error: unknown): HubNetworkError {
  if (error instanceof HubNetworkError) return error;
  const { cause, message } = error as Error;
  if (cause instanceof HubNetworkError) return cause;
  const { code, message: reason } = (cause ?? {}) as { code?: string; message?: string };
  const problem = code?.startsWith('UND_ERR') ? (reason ?? code) : (code ?? reason ?? message);
  return new HubNetworkError(problem, !NOBODY.has(code ?? ''));
}
