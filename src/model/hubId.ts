import { AttnDiffError } from '../errors.js';

/** A model on a hub. */
export interface HubId {
  /** `owner/name`. */
  repo: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

const PREFIX = /^hf:(?:\/\/)?/;
/** As huggingface_hub validates it: letters, digits and `-_.`, at most 96, neither beginning nor ending in `-` or `.`. */
const NAME = /^(?!.*(?:--|\.\.))\b[\w.-]{1,96}\b$/;

/**
 * Reads `owner/name[@revision]`, with or without `hf:` before it. What looks like a path is none: it begins with `.`,
 * `/` or `~`, ends in `.onnx`, has a backslash, or another number of slashes than one.
 *
 * @returns null for what cannot be a hub id, so that it is a path
 * @throws AttnDiffError bad-option where `hf:` says that it is one and it is not well-formed
 */
export function parseHubId(text: string): HubId | null {
  const marked = PREFIX.test(text);
  if (!marked && text.endsWith('.onnx')) return null;
  const [id, revision] = splitRevision(text.replace(PREFIX, ''));
  const names = id.split('/');
  const valid =
    names.length === 2 && names.every((name) => NAME.test(name)) && !id.endsWith('.git');
  if (valid && isRevision(revision)) return { repo: id, revision };
  if (!marked) return null;
  throw new AttnDiffError('bad-option', {
    option: '--model',
    value: text,
    problem: valid
      ? 'what follows the @ is no branch, tag or commit'
      : 'it is not the name of a model on the hub',
    remedy: 'owner/name or owner/name@revision',
  });
}

function splitRevision(text: string): [id: string, revision: string] {
  const at = text.indexOf('@');
  return at === -1 ? [text, 'main'] : [text.slice(0, at), text.slice(at + 1)];
}

/** What git takes as a name of a branch or a tag, as far as it matters for a path and a URL. */
function isRevision(text: string): boolean {
  return (
    /^[^\s\p{Cc}\\:?*[~^]+$/u.test(text) &&
    !text.split('/').some((part) => part === '' || part.startsWith('.') || part.includes('..'))
  );
}
