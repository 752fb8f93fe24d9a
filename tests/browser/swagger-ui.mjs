// Opens the API's documentation in a real browser that reaches nothing but the server, and tries out one route with
// each kind of credential, as a person would: at the server itself, and behind a proxy that gives it a prefix.
//
//   node swagger-ui.mjs --browser /usr/bin/chromium --base http://127.0.0.1:3000 --token JWT --key awp_…

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: options } = parseArgs({
  options: {
    browser: { type: 'string' },
    base: { type: 'string' },
    token: { type: 'string' },
    key: { type: 'string' },
    screenshot: { type: 'string' },
  },
});

/** One route for each kind of credential. */
const tries = [
  { method: 'get', path: '/api/auth/me', expect: 200 },
  { method: 'get', path: '/api/external/messages', expect: 200 },
];

/** A proxy that takes `/waypost` away, as nginx does with `location /waypost/ { proxy_pass http://…/; }`. */
const PREFIX = '/waypost';
const proxy = createServer((incoming, answer) => {
  if (!incoming.url.startsWith(`${PREFIX}/`)) return answer.writeHead(404).end();
  const { method, headers } = incoming;
  const onward = request(options.base + incoming.url.slice(PREFIX.length), { method, headers }, (came) => {
    answer.writeHead(came.statusCode, came.headers);
    came.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  incoming.pipe(onward);
});
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');
const proxied = `http://127.0.0.1:${proxy.address().port}${PREFIX}`;

/** Opens the page at `path` below `base`, which is all that it may reach, and tries the routes out. */
async function tryOut(base, path) {
  const page = await context.newPage();
  const elsewhere = [];
  const errors = [];
  await page.route('**/*', (route) => {
    const url = route.request().url();
    if (url.startsWith(`${base}/`) || url.startsWith('data:')) return route.continue();
    elsewhere.push(url);
    return route.abort();
  });
  page.on('pageerror', (error) => errors.push(String(error)));

  await page.goto(base + path);
  await page.locator('.opblock').first().waitFor();
  if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });

  // Both credentials, in the one dialog that Swagger UI has for them.
  await page.locator('.auth-wrapper .btn.authorize').first().click();
  const schemes = page.locator('.auth-container');
  await schemes.first().waitFor();
  for (let n = 0; n < (await schemes.count()); n++) {
    const scheme = schemes.nth(n);
    const isKey = /apiKey/i.test(await scheme.innerText());
    await scheme.locator('input').fill(isKey ? options.key : options.token);
    await scheme.locator('button.authorize').click();
  }
  await page.locator('.btn-done').first().click();

  for (const { method, path, expect } of tries) {
    const block = page.locator(`.opblock-${method}`).filter({
      has: page.locator(`.opblock-summary-path[data-path="${path}"]`),
    });
    await block.locator('.opblock-summary').click();
    const execute = block.locator('.execute');
    await execute.or(block.locator('.try-out__btn')).first().waitFor();
    // A server may have switched this on for every route.
    if (!(await execute.isVisible())) await block.locator('.try-out__btn').click();
    await execute.click();
    const live = block.locator('.live-responses-table tbody .response-col_status').first();
    await live.waitFor();
    const status = Number.parseInt((await live.innerText()).trim(), 10);
    if (status !== expect) throw new Error(`${method} ${path} gave ${status}: ${await block.innerText()}`);
    console.log(`${base}: ${method} ${path}: ${status}`);
  }
  if (elsewhere.length > 0) throw new Error(`the page wants more than ${base}: ${elsewhere}`);
  if (errors.length > 0) throw new Error(`the page has errors: ${errors}`);

  // Whoever opens the page next on this machine is not let in by what was typed before.
  await page.reload();
  await page.locator('.auth-wrapper .btn.authorize.unlocked').first().waitFor();
  await page.close();
}

const profile = mkdtempSync(join(tmpdir(), 'waypost-browser-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: options.browser,
  headless: true,
  timeout: 60_000,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
context.setDefaultTimeout(60_000);

try {
  await tryOut(options.base, '/api/docs');
  for (const path of ['/api/docs', '/api/docs/', '/api/v1/docs']) await tryOut(proxied, path);
} finally {
  await context.close();
  proxy.closeAllConnections();
  proxy.close();
  rmSync(profile, { recursive: true, force: true });
}
