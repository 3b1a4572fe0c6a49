import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One commit of a model. */
interface Commit {
  files: Record<string, Uint8Array>;
}

/** What went over the wire. */
export interface Hit {
  method: string;
  path: string;
  authorization: string | undefined;
  range: string | undefined;
  host: string | undefined;
  status: number;
  /** Bytes of the body. */
  sent: number;
}

export interface HubServerOptions {
  repo: string;
  /** Commits by their hash. */
  commits: Record<string, Commit>;
  /** Branches and tags. */
  refs: Record<string, string>;
}

/** Files that the hub keeps in LFS: named by SHA-256 and served by another host. */
const LFS = /\.(?:onnx|onnx[._]data\w*|data)$/;

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitSha1(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');
}

/** A hub on 127.0.0.1 with one model: its API, its resolve URLs, and a second host for LFS files. */
export class HubServer {
  readonly hits: Hit[] = [];
  /** Required of whoever asks the hub; the LFS host refuses whoever shows it. */
  token: string | null = null;
  gated = false;
  /** The next answers that carry a body of LFS end after so many bytes. */
  cuts: number[] = [];
  /** Bytes sent at once, and the wait between, to give another process time. */
  slow: { bytes: number; wait: number } | null = null;
  /** LFS bodies are changed on their way. */
  corrupt = false;
  ranges = true;
  /** Statuses to answer next instead of what was asked for, whoever asks. */
  busy: number[] = [];
  /** The size that LFS files are said to have, where it is not their own. */
  claimedSize: number | null = null;
  /** Whether LFS files are on the hub's own host. */
  sameHost = false;
  /** Answer nothing at all. */
  silent = false;

  private constructor(
    private readonly options: HubServerOptions,
    private readonly hub: Server,
    private readonly lfs: Server,
  ) {}

  static async start(options: HubServerOptions): Promise<HubServer> {
    const [hub, lfs] = [createServer(), createServer()];
    const server = new HubServer(options, hub, lfs);
    hub.on(
      'request',
      (request, response) =>
        void server.answer(request, response, () => server.onHub(request, response)),
    );
    lfs.on(
      'request',
      (request, response) =>
        void server.answer(request, response, () => server.onLfs(request, response)),
    );
    await Promise.all(
      [hub, lfs].map((one) => new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))),
    );
    return server;
  }

  async stop(): Promise<void> {
    await Promise.all(
      [this.hub, this.lfs].map(
        (one) =>
          new Promise<void>((resolve) => {
            one.close(() => resolve());
            one.closeAllConnections();
          }),
      ),
    );
  }

  get endpoint(): string {
    return urlOf(this.hub);
  }

  /** Bytes of bodies that LFS files were sent with. */
  get lfsBytes(): number {
    return this.hits
      .filter(({ path }) => path.startsWith('/lfs/'))
      .reduce((sum, { sent }) => sum + sent, 0);
  }

  /** Requests that fetched a file, not only asked about it. */
  get downloads(): Hit[] {
    return this.hits.filter(
      ({ method, path, status }) =>
        method === 'GET' && !path.startsWith('/api/models/') && status < 300,
    );
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    handle: () => unknown,
  ): Promise<void> {
    const hit: Hit = {
      method: request.method ?? '',
      path: decodeURIComponent(request.url ?? ''),
      authorization: request.headers.authorization,
      range: request.headers.range,
      host: request.headers.host,
      status: 0,
      sent: 0,
    };
    this.hits.push(hit);
    const write = response.write.bind(response);
    response.write = ((chunk: Uint8Array, ...rest: []) => {
      hit.sent += chunk.byteLength;
      return write(chunk, ...rest);
    }) as typeof response.write;
    if (this.silent) return;
    const busy = this.busy.shift();
    if (busy === undefined) await handle();
    else end(response, busy);
    hit.status = response.statusCode;
  }

  private onHub(request: IncomingMessage, response: ServerResponse): unknown {
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`) {
      return end(response, 401, this.gated ? { 'x-error-code': 'GatedRepo' } : {});
    }
    const url = new URL(request.url ?? '', 'http://hub');
    if (url.pathname.startsWith('/lfs/')) return this.onLfs(request, response);
    const [, api, revisionInApi] =
      new RegExp(`^/(api)/models/${this.options.repo}/revision/([^/]+)$`).exec(url.pathname) ?? [];
    if (api) return this.onApi(response, decodeURIComponent(revisionInApi!));
    const resolveCache = new RegExp(
      `^/api/resolve-cache/models/${this.options.repo}/([^/]+)/(.+)$`,
    ).exec(url.pathname);
    const match =
      resolveCache ?? new RegExp(`^/${this.options.repo}/resolve/([^/]+)/(.+)$`).exec(url.pathname);
    if (!match) return end(response, 404, { 'x-error-code': 'RepoNotFound' });
    const commit = this.commitOf(decodeURIComponent(match[1]!));
    if (commit === undefined) return end(response, 404, { 'x-error-code': 'RevisionNotFound' });
    const name = decodeURIComponent(match[2]!);
    const content = this.options.commits[commit]!.files[name];
    const headers = { 'x-repo-commit': commit };
    if (!content) return end(response, 404, { ...headers, 'x-error-code': 'EntryNotFound' });
    if (LFS.test(name)) {
      const digest = sha256(content);
      return end(response, 302, {
        ...headers,
        'x-linked-etag': `"${digest}"`,
        'x-linked-size': String(this.claimedSize ?? content.byteLength),
        etag: '"of-the-pointer"',
        location: `${this.sameHost ? '' : urlOf(this.lfs)}/lfs/${digest}`,
      });
    }
    const etag = `"${gitSha1(content)}"`;
    // As huggingface.co does since 2025: a relative redirect for whatever is not in LFS.
    if (!resolveCache)
      return end(response, 307, {
        ...headers,
        location: `/api/resolve-cache/models/${this.options.repo}/${commit}/${match[2]}?etag=1`,
      });
    return body(request, response, 200, content, { ...headers, etag });
  }

  private onApi(response: ServerResponse, revision: string): void {
    const commit = this.commitOf(revision);
    if (commit === undefined) return end(response, 404, { 'x-error-code': 'RevisionNotFound' });
    const siblings = Object.keys(this.options.commits[commit]!.files).map((rfilename) => ({
      rfilename,
    }));
    const json = Buffer.from(JSON.stringify({ id: this.options.repo, sha: commit, siblings }));
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': json.byteLength,
    });
    response.write(json);
    response.end();
  }

  private async onLfs(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== undefined) return end(response, 400);
    const digest = (request.url ?? '').split('/').at(-1);
    const content = Object.values(this.options.commits)
      .flatMap(({ files }) => Object.values(files))
      .find((file) => sha256(file) === digest);
    if (!content) return end(response, 404);
    const start = this.ranges
      ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      : 0;
    if (start >= content.byteLength) return end(response, 416);
    const part = Uint8Array.from(content.subarray(start));
    if (this.corrupt) part[part.length - 1]! ^= 1;
    const range =
      start > 0
        ? { 'content-range': `bytes ${start}-${content.byteLength - 1}/${content.byteLength}` }
        : {};
    const cut = this.cuts.shift();
    if (cut === undefined && this.slow === null)
      return body(request, response, start > 0 ? 206 : 200, part, range);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': part.byteLength, ...range });
    const { bytes, wait } = this.slow ?? { bytes: part.byteLength, wait: 0 };
    const sent = part.subarray(0, cut ?? part.byteLength);
    for (let at = 0; at < sent.byteLength; at += bytes) {
      response.write(sent.subarray(at, at + bytes));
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    if (cut === undefined) response.end();
    // Time for what was written to leave, before the connection goes.
    else setTimeout(() => response.destroy(), 50);
  }

  private commitOf(revision: string): string | undefined {
    return this.options.refs[revision] ?? (revision in this.options.commits ? revision : undefined);
  }
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function end(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-length': '0', ...headers });
  response.end();
}

function body(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  content: Uint8Array,
  headers: Record<string, string>,
): void {
  response.writeHead(status, {
    'content-length': content.byteLength,
    'accept-ranges': 'bytes',
    ...headers,
  });
  if (request.method !== 'HEAD') response.write(content);
  response.end();
}
