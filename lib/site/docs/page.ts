/** Files of the page by name; the versions keep a browser from showing an old one. */
export type AssetVersions = Readonly<
  Record<'swagger-ui.css' | 'swagger-ui-bundle.js' | 'page.css' | 'page.js', string>
>;

/** Nothing may be loaded from another host, and the page contains no inline script. React sets styles through the DOM, which needs no exception. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='3' cy='8' r='2.5' fill='%232f6feb'/%3E%3Ccircle cx='13' cy='3.5' r='2' fill='%232f6feb'/%3E%3Ccircle cx='13' cy='12.5' r='2' fill='%232f6feb'/%3E%3Cpath d='M3 8h5m5-4.5H8v9h5' stroke='%232f6feb' fill='none'/%3E%3C/svg%3E";

/** The HTML of `/docs`. */
export function docsPage(versions: AssetVersions): string {
  const at = (name: keyof AssetVersions) => `/docs/${name}?v=${versions[name]}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trunkline API</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${at('swagger-ui.css')}">
<link rel="stylesheet" href="${at('page.css')}">
</head>
<body>
<div id="reference"></div>
<noscript>This page needs JavaScript. The same in plain JSON: <a href="/openapi.json">/openapi.json</a></noscript>
<script src="${at('swagger-ui-bundle.js')}"></script>
<script src="${at('page.js')}"></script>
</body>
</html>
`;
}

/** Our own few rules over Swagger UI's. */
export const pageStyle = `html { box-sizing: border-box; overflow-y: scroll; }
*, *::before, *::after { box-sizing: inherit; }
body { margin: 0; background: #fff; font-family: sans-serif; }
html.dark-mode body { background: #1c2022; color: #e4e6e6; }
noscript { display: block; padding: 2rem; }
/* Every problem has the same form and headers: the row of "default" shows them, the others say what they mean. */
.responses-table tr.response:is([data-code^="4"], [data-code^="5"]) :is(.response-controls, .model-example, .headers-wrapper),
.responses-table .response-col_links { display: none; }
html.dark-mode .swagger-ui table.headers td { color: inherit; }
.responses-table tr.response .renderedMarkdown :is(p, ul) { margin: 0 0 0.5em; }
`;

/**
 * Starts Swagger UI; no outside validator, no key kept after the page is closed. Areas start collapsed: from 150 lines on Swagger
 * UI renders only visible lines, and the browser's own search then finds nothing.
 */
export const pageScript = `'use strict';
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', paint);
paint();
window.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  showExtensions: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
});
`;
