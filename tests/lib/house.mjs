// Opens browsers in front of a demo city. TONGBAN_URL with TONGBAN_ACCOUNTS (a file with what
// `--json` printed) takes a running demo instead of starting one.

import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { program, root, start } from "./server.mjs";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export { program, root };
export const screens = join(root, "target/screens");
mkdirSync(screens, { recursive: true });

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--force-color-profile=srgb",
];

export const desktop = { width: 1366, height: 768 };
export const phone = { width: 360, height: 780 };

const words = { "zh-CN": "zh-CN,zh;q=0.9", "zh-TW": "zh-TW", en: "en" };

/** A running demo city of one's own with these options of `start`, or the one that runs already. */
export async function demo(options) {
  if (process.env.TONGBAN_URL) {
    const { accounts } = JSON.parse(readFileSync(process.env.TONGBAN_ACCOUNTS, "utf8"));
    return { address: process.env.TONGBAN_URL, accounts, stop: async () => {} };
  }
  return start(options);
}

/** A browser with an empty profile for the test `t`; its pages speak one language. */
export async function browser(t, { size = desktop, language = "zh-CN", script = true, address } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "tongban-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: flags,
    viewport: size,
    locale: language,
    javaScriptEnabled: script,
    baseURL: address,
    extraHTTPHeaders: { "accept-language": words[language] },
  });
  context.setDefaultTimeout(15000);
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`error on ${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    // An answer of 4xx is what some journeys come for.
    const wanted = /status of (401|403|404|409|413|422)/.test(message.text());
    if (message.type() === "error" && !wanted) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()} ${response.url()}`);
  });
  t.after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  return { context, page, complaints };
}

/** Looks at a page as a careful reader would: axe-core, width, screenshot. */
export async function look(page, name, { keep = true, full = true } = {}) {
  const size = page.viewportSize();
  const suffix = `${size.width <= 400 ? "-phone" : ""}-${await page.locator("html").getAttribute("lang")}`;
  if (keep) await page.screenshot({ path: join(screens, `${name}${suffix}.png`), fullPage: full });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name}: ${wide} px wider than the window`);
  // The processes of the catalog are called as keys are.
  const left = await page.evaluate(() => document.body.innerText.match(/(?<![/\w-])(?!catalog-(entry|request)\b)(web|identity|forms|registry|workflow|credential|notify|lake|catalog|exchange|flow|gateway|cascade|service|supervise|datahub|store|kernel|pack)-[a-z]+(-[a-z]+)*\b/g));
  assert.equal(left, null, `${name}: keys without words`);
  const findings = await findingsOf(page);
  assert.deepEqual(findings, [], `${name}: axe-core`);
}

/** What axe-core finds against WCAG 2.1 A and AA. */
export async function findingsOf(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    }),
  );
  return violations.map(
    (v) => `${v.id}: ${v.help} — ${v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")}`,
  );
}

/** Signs in through the form. `user` is one of the demo accounts' names. */
export async function signIn(page, house, user) {
  const account = house.accounts.find((one) => one.user === user);
  assert.ok(account, `no demo account ${user}`);
  await page.goto("/sign-in");
  await page.fill("#login", account.user);
  await page.fill("#password", account.password);
  await page.locator("main form button[type=submit]").click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
  if (page.url().includes("/sign-in/code")) {
    await page.fill("#code", await code(secrets.get(`${house.address} ${user}`)));
    await page.locator("main form button[type=submit]").click();
    await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
  } else if (page.url().includes("/account/security")) {
    await enrol(page, `${house.address} ${user}`);
  }
}

/** Secrets of second factors that journeys enrolled, by house and user. */
const secrets = new Map();

/** An officer's first sign-in: the posts count once a second factor was shown. */
async function enrol(page, key) {
  await press(page, page.locator('form[action="/account/second-factor"] button'));
  const secret = (await page.locator("code.tb-code").innerText()).replace(/\s/g, "");
  await page.locator("#second-factor #code").fill(await code(secret));
  await press(page, page.locator('form[action="/account/second-factor/confirm"] button'));
  secrets.set(key, secret);
}

/** The six digits of this half minute (RFC 6238); never the same half minute twice. */
async function code(secret) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  let now = Math.floor(Date.now() / 30000);
  while (now === used.get(secret)) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    now = Math.floor(Date.now() / 30000);
  }
  used.set(secret, now);
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(now));
  const digest = createHmac("sha1", bytes).update(counter).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, "0");
}

const used = new Map();

/** Presses the main button of the page's first form that has this text or selector. */
export async function press(page, button) {
  await Promise.all([page.waitForLoadState("load"), button.click()]);
  await page.waitForLoadState("load");
}
