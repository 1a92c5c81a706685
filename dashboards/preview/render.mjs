// Draws dashboards to PNG: node render.mjs PROMETHEUS FOLDER '[{"board": …, "name": …, "to": …}]'

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
const BOARDS = join(HERE, '..', 'grafana');
const MODULES = join(HERE, 'node_modules');
const FONTS = {
  'Inter-Regular.woff2': ['inter', 'inter-latin-400-normal.woff2'],
  'Inter-Medium.woff2': ['inter', 'inter-latin-500-normal.woff2'],
  'RobotoMono-Regular.woff2': ['roboto-mono', 'roboto-mono-latin-400-normal.woff2'],
  'RobotoMono-Medium.woff2': ['roboto-mono', 'roboto-mono-latin-500-normal.woff2'],
};
const HOUR = 3600;
const WIDTH = 1600;
// More than any dashboard has: tables draw the rows that are in sight.
const HEIGHT = 5000;
const TYPES = { css: 'text/css', html: 'text/html', js: 'text/javascript', json: 'application/json', svg: 'image/svg+xml' };
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/index.css">
<div id="root"></div><script type="module" src="/index.js"></script>`;

const [prometheus, folder, list] = process.argv.slice(2);
const pictures = JSON.parse(list);
const temporary = await mkdtemp(join(tmpdir(), 'together-otel-preview-'));

await build({
  entryPoints: [join(HERE, 'page', 'index.jsx')],
  outdir: temporary,
  bundle: true,
  format: 'esm',
  jsx: 'automatic',
  minify: true,
  loader: { '.ttf': 'empty' },
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'error',
});

// Grafana serves its icons below /public/build, its fonts below /public/fonts.
function fileOf(pathname) {
  const [, first, ...rest] = pathname.split('/');
  if (first === 'public' && rest[0] === 'fonts') {
    const [family, name] = FONTS[rest.at(-1)] ?? ['', rest.at(-1)];
    return join(MODULES, '@fontsource', family, 'files', name);
  }
  if (first === 'public') {
    return join(MODULES, '@grafana', 'ui', 'dist', 'public', ...rest.slice(1));
  }
  return first === 'boards' ? join(BOARDS, ...rest) : join(temporary, first);
}

// The page, its icons, the dashboards, and Prometheus behind the same address.
const server = createServer((asked, answer) => {
  const { pathname } = new URL(asked.url, 'http://localhost');
  if (pathname.startsWith('/api/')) {
    const passed = request(prometheus + asked.url, { method: asked.method, headers: asked.headers }, (told) => {
      answer.writeHead(told.statusCode, told.headers);
      told.pipe(answer);
    });
    asked.pipe(passed);
    return;
  }
  if (pathname === '/') {
    answer.writeHead(200, { 'content-type': TYPES.html }).end(PAGE);
    return;
  }
  const file = fileOf(pathname);
  const stream = createReadStream(file);
  stream.on('error', () => answer.writeHead(404).end());
  stream.on('open', () => {
    answer.writeHead(200, { 'content-type': TYPES[file.split('.').at(-1)] ?? 'application/octet-stream' });
    stream.pipe(answer);
  });
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const address = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--force-color-profile=srgb', '--font-render-hinting=none',
  ],
});
try {
  for (const { board, name, to, theme = 'dark' } of pictures) {
    const context = await browser.newContext({
      viewport: { width: WIDTH, height: HEIGHT },
      deviceScaleFactor: 1,
      timezoneId: 'UTC',
      locale: 'en-GB',
    });
    const page = await context.newPage();
    const broken = new Promise((_, reject) => page.on('pageerror', reject));
    // "Minutes ago" is to be of that night.
    await page.clock.setFixedTime(new Date(to * 1000));
    await page.goto(`${address}/?board=${board}&from=${to - HOUR}&to=${to}&theme=${theme}`);
    await Promise.race([broken, page.waitForSelector('body[data-drawn]', { state: 'attached', timeout: 60_000 })]);
    await page.waitForLoadState('networkidle');
    await page.evaluate(() => document.fonts.ready.then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))));
    const height = await page.evaluate(() => document.getElementById('root').offsetHeight);
    await page.screenshot({ path: join(folder, `${name}.png`), clip: { x: 0, y: 0, width: WIDTH, height } });
    await context.close();
    process.stdout.write(`${name}.png\n`);
  }
} finally {
  await browser.close();
  server.close();
  await rm(temporary, { recursive: true });
}
