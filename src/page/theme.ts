export type Theme = 'light' | 'dark';

const KEY = 'attn-diff-theme';
const root = document.documentElement;
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

/** The theme of the page: what was chosen, or else what the system prefers. */
export function theme(): Theme {
  const chosen = root.dataset['theme'];
  return chosen === 'light' || chosen === 'dark' ? chosen : prefersDark.matches ? 'dark' : 'light';
}

/** The choice of an earlier visit; storage may be forbidden, which only means that nothing is remembered. */
function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(chosen: Theme): void {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Nothing is remembered.
  }
}

/**
 * Puts up the button that changes the theme, and brings back what was chosen before.
 *
 * @param onChange called whenever the theme is another, by the button or by the system
 */
export function startTheme(header: HTMLElement, onChange: () => void): void {
  const before = remembered();
  if (before === 'light' || before === 'dark') root.dataset['theme'] = before;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'theme';
  const tell = (): void => {
    button.textContent = theme() === 'dark' ? 'Light theme' : 'Dark theme';
  };
  button.addEventListener('click', () => {
    const next = theme() === 'dark' ? 'light' : 'dark';
    root.dataset['theme'] = next;
    remember(next);
    tell();
    onChange();
  });
  prefersDark.addEventListener('change', () => {
    tell();
    onChange();
  });
  tell();
  header.append(button);
}

/** Takes the light theme for as long as `work` and what it draws are needed; gives back what ends that. */
export function printTheme(): () => void {
  const before = root.dataset['theme'];
  root.dataset['theme'] = 'light';
  return () => {
    if (before === undefined) delete root.dataset['theme'];
    else root.dataset['theme'] = before;
  };
}
