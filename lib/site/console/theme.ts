import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const themes: readonly Theme[] = ['auto', 'light', 'dark'];
const storageKey = 'trunkline-theme';

function stored(): Theme {
  try {
    return themes.find((each) => each === localStorage.getItem(storageKey)) ?? 'auto';
  } catch {
    // No storage here: the system decides.
    return 'auto';
  }
}

export const theme = signal<Theme>(stored());

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme.value;
}

export function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'auto';
  applyTheme();
  try {
    localStorage.setItem(storageKey, theme.value);
  } catch {
    // Then it applies only to this visit.
  }
}
