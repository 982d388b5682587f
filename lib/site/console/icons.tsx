import type { JSX } from 'preact';

const shapes = {
  status: <path d="M3 12h4l2.5-7 5 14 2.5-7h4" />,
  runs: <path d="M5 4.5v15l13-7.5z" />,
  automations: (
    <>
      <rect x="3" y="4" width="7" height="6" rx="1.5" />
      <rect x="14" y="14" width="7" height="6" rx="1.5" />
      <path d="M10 7h4.5a3 3 0 0 1 3 3v4" />
    </>
  ),
  connections: <path d="M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4" />,
  hooks: <path d="M12 3v9a4 4 0 1 0 4 4M12 3l-3 3M12 3l3 3" />,
  events: <path d="M4 6h16M4 12h16M4 18h10" />,
  deliveries: <path d="M21 3 10 14M21 3l-7 18-4-7-7-4z" />,
  people: (
    <>
      <path d="M12 21s-6.5-6-6.5-11a6.5 6.5 0 0 1 13 0c0 5-6.5 11-6.5 11z" />
      <circle cx="12" cy="10" r="2.3" />
    </>
  ),
  keys: (
    <>
      <circle cx="8" cy="15" r="4" />
      <path d="m11 12 9-9M16 7l3 3" />
    </>
  ),
  usage: <path d="M4 20V10M10 20V4M16 20v-7M21 20H3" />,
  more: <path d="M5 12h.01M12 12h.01M19 12h.01" />,
  good: (
    <>
      <circle cx="12" cy="12" r="9" class="fill" />
      <path d="m8 12.5 2.8 2.8L16.2 9.5" class="on" />
    </>
  ),
  bad: (
    <>
      <path d="M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3z" class="fill" />
      <path d="M12 7.5v5.5M12 16.4v.1" class="on" />
    </>
  ),
  warn: (
    <>
      <path d="M12 3.4 22 20.4H2z" class="fill" />
      <path d="M12 10v4.6M12 17.4v.1" class="on" />
    </>
  ),
  busy: <path d="M12 3a9 9 0 1 1-8.5 6" class="spin" />,
  idle: (
    <>
      <circle cx="12" cy="12" r="8.5" />
      <path d="M8 12h8" />
    </>
  ),
  same: (
    <>
      <rect x="3.5" y="3.5" width="12" height="12" rx="2.5" />
      <path d="M8.5 20.5h9a3 3 0 0 0 3-3v-9" />
    </>
  ),
  pause: <path d="M8 5v14M16 5v14" />,
  play: <path d="M6 4.5v15l13-7.5z" />,
  copy: (
    <>
      <rect x="8" y="8" width="12" height="12" rx="2" />
      <path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2" />
    </>
  ),
  close: <path d="m6 6 12 12M18 6 6 18" />,
  chevron: <path d="m9 6 6 6-6 6" />,
  clock: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 7v5.3l3.4 2" />
    </>
  ),
  theme: (
    <>
      <circle cx="12" cy="12" r="8.5" />
      <path d="M12 3.5a8.5 8.5 0 0 1 0 17z" class="fill" />
    </>
  ),
  out: <path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9" />,
  replay: <path d="M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5" />,
  siren: <path d="M7 18v-5a5 5 0 0 1 10 0v5M4.5 21h15v-3h-15zM12 3V1.8M4.8 6 4 5.2M19.2 6l.8-.8" />,
  search: (
    <>
      <circle cx="11" cy="11" r="6.5" />
      <path d="m20 20-4.2-4.2" />
    </>
  ),
  plus: <path d="M12 5v14M5 12h14" />,
  minus: <path d="M5 12h14" />,
} as const satisfies Record<string, JSX.Element>;

export type IconName = keyof typeof shapes;

/** An icon next to a text that says the same. */
export function Icon({ name, class: className = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {shapes[name]}
    </svg>
  );
}
