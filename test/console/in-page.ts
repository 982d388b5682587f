import axe from 'axe-core';

// Runs in the page: `browser.ts` bundles it and puts it there.

/** What keeps somebody from using the page, or from telling its colours apart. */
export async function problems(extent?: 'colours'): Promise<string[]> {
  const beyond = extent ? [] : cutOff();
  // On a phone, the bar at the bottom hides whatever is below it until one scrolls. Of a long list, axe checks the first lines:
  // the others are made by the same code.
  const away = document.querySelectorAll<HTMLElement>('.rows > li:nth-child(n + 13)');
  const bar = document.querySelector<HTMLElement>('.nav');
  for (const line of away) line.style.display = 'none';
  if (bar) bar.style.position = 'static';
  try {
    return [...beyond, ...(await serious(extent ? ['color-contrast'] : standards))];
  } finally {
    for (const line of away) line.style.display = '';
    if (bar) bar.style.position = '';
  }
}

const standards = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** What axe finds on the page by its rules or their tags, or in its dialog while one is open. */
async function serious(runOnly: string[]): Promise<string[]> {
  const { violations } = await axe.run(
    {
      include: [document.querySelector('dialog[open]') ?? document.documentElement],
      exclude: [['option:nth-child(n + 13)']],
    },
    {
      runOnly,
      resultTypes: ['violations'],
    },
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
    );
}

/** The elements that reach beyond the screen, or beyond the box that cuts them off. */
function cutOff(): string[] {
  const found: string[] = [];
  for (const element of document.querySelectorAll('main *, dialog *, header *')) {
    // What is folded keeps the size that it had when it was last shown.
    if (element.closest('pre, svg, .code-editor, .skip') !== null || !element.checkVisibility()) continue;
    const { right, width } = element.getBoundingClientRect();
    const list = element.closest('.rows')?.getBoundingClientRect().right ?? Number.POSITIVE_INFINITY;
    if (width > 0 && right > Math.min(innerWidth, list) + 1) found.push(`cut off: ${element.outerHTML.slice(0, 120)}`);
  }
  return found.slice(0, 5);
}

/** Gives each visible control below an element, or of the dialog that is open, a name, and puts the focus before the first. */
export function markControls(within: string): string[] {
  const place = document.querySelector('dialog[open]') ?? document.querySelector<HTMLElement>(within) ?? document;
  const controls = place.querySelectorAll<HTMLElement>(
    'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea, summary, [tabindex="0"]',
  );
  (document.activeElement as HTMLElement | null)?.blur();
  getSelection()?.removeAllRanges();
  if (place instanceof HTMLElement) place.focus();
  return [...controls].flatMap((control, at) => {
    const isShown = control.checkVisibility() && control.getBoundingClientRect().width > 0;
    // Of radio buttons, Tab reaches the chosen one; the arrow keys reach the others.
    if (!isShown || (control instanceof HTMLInputElement && control.type === 'radio' && !control.checked)) return [];
    const [label] = 'labels' in control ? [...((control.labels ?? []) as NodeListOf<HTMLLabelElement>)] : [];
    const words = control.getAttribute('aria-label') ?? label?.textContent ?? control.textContent;
    control.dataset.control = `${at} ${control.tagName} ${words?.trim().slice(0, 60)}`;
    return [control.dataset.control];
  });
}

/** The control that has the focus, and whether one sees that. */
export function focused(): { name: string | undefined; shows: boolean } {
  const element = document.activeElement as HTMLElement | null;
  const inner = (element?.shadowRoot?.activeElement ?? element) as HTMLElement | null;
  const shows = [inner, inner?.closest('.cm-editor')].some((each) => {
    const { outlineStyle = 'none', outlineWidth = '0px' } = each ? getComputedStyle(each) : {};
    return outlineStyle !== 'none' && outlineWidth !== '0px';
  });
  return { name: element?.dataset.control, shows };
}
