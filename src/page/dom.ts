type Child = Node | string;

/** A new element with attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A choice of one of several, with its label. */
export interface Choice<T> {
  /** The label with the select in it. */
  label: HTMLLabelElement;
  value(): T;
}

/**
 * A native select; with one option only there is nothing to choose, and it is not shown.
 *
 * @param options each with its text
 * @param first which of them is chosen to begin with
 */
export function choice<T>(
  name: string,
  options: readonly (readonly [string, T])[],
  onChange: () => void,
  first = 0,
): Choice<T> {
  const select = element(
    'select',
    {},
    ...options.map(([text], i) => element('option', { value: String(i) }, text)),
  );
  select.selectedIndex = first;
  select.addEventListener('change', onChange);
  const label = element('label', {}, element('span', {}, name), select);
  label.hidden = options.length < 2;
  return { label, value: () => options[select.selectedIndex]![1] };
}
