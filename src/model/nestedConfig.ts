/** Where configs of models that also see or hear keep the sizes of their text decoder; the first that is there. */
const PLACES = [
  ['text_config'],
  ['thinker_config', 'text_config'],
  ['llm_config'],
  ['language_config'],
  ['thinker_config'],
] as const;

type Fields = Record<string, unknown>;

/**
 * The decoder's part of a config.json, with what it leaves out (token ids, for instance) from the parts around it.
 *
 * @returns the whole where nothing is nested; `prefix` is the part's place for an error, such as `text_config.`
 */
export function decoderConfig(json: unknown): { config: unknown; prefix: string } {
  if (!isFields(json)) return { config: json, prefix: '' };
  for (const place of PLACES) {
    const parts = partsAt(json, place);
    if (!parts) continue;
    const { architectures = parts.at(-1)!['architectures'] } = json;
    return { config: { ...parts.reduce(overlaid), architectures }, prefix: `${place.join('.')}.` };
  }
  return { config: json, prefix: '' };
}

/** The config and each part on the way to a place in it; null where there is no such place. */
function partsAt(json: Fields, place: readonly string[]): Fields[] | null {
  const parts = [json];
  for (const key of place) {
    const part = parts.at(-1)![key];
    if (!isFields(part)) return null;
    parts.push(part);
  }
  return parts;
}

/** What an inner part says over what the outer ones do; its null says nothing where they have a value. */
function overlaid(outer: Fields, inner: Fields): Fields {
  return {
    ...outer,
    ...Object.fromEntries(
      Object.entries(inner).filter(([key, value]) => value !== null || outer[key] === undefined),
    ),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
