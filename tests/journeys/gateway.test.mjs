// A department's interface called through the hub: registered and granted on pages, called by a
// program with a token, proven afterwards. And a hub that joins a superior one.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, demo, look, phone, program, signIn } from "../lib/house.mjs";

const police = "11321000990000033R";
let house, superior, folder, api, node;
before(async () => {
  [house, superior] = await Promise.all([demo(), demo()]);
  folder = mkdtempSync(join(tmpdir(), "tongban-gateway-"));
  api = createServer((request, answer) => {
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ path: request.url, gmsfhm: "320000199001010039", token: request.headers.authorization ?? null }));
  });
  await new Promise((ready) => api.listen(0, "127.0.0.1", ready));
});
after(async () => {
  node?.kill();
  api?.close();
  await house?.stop();
  await superior?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function token(user) {
  const env = { ...process.env, TONGBAN_DATA__DIR: house.data, TONGBAN_DATABASE__URL: `sqlite://${house.data}/tongban.db` };
  return execFileSync(program, ["token", "create", "--user", user], { env, encoding: "utf8" }).trim();
}

/** Invites a node on the page of a hub; what its operator has to type. */
async function invitation(page, name, org) {
  await page.goto("/work/exchange/invite");
  await page.fill("[name=node]", name);
  await page.fill("[name=title]", `示范前置机 ${name}（合成）`);
  await page.fill("[name=org]", org);
  await page.locator("main form button[type=submit]").click();
  const words = (await page.locator("#command").innerText()).trim().split(" ");
  return { hub: words[words.indexOf("--hub") + 1], code: words[words.indexOf("--code") + 1] };
}

async function until(what, check) {
  for (let tries = 0; tries < 150; tries++) {
    if (await check()) return;
    await new Promise((later) => setTimeout(later, 200));
  }
  assert.fail(what);
}

test("an interface is registered, granted, called and proven", async (t) => {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  await page.goto("/work/apis");
  await look(page, "apis-empty");
  const { hub, code } = await invitation(page, "police-api", police);
  execFileSync(program, ["node", "enrol", "--hub", hub, "--code", code, "--data", join(folder, "node")]);
  const url = `http://127.0.0.1:${api.address().port}/v1`;
  writeFileSync(join(folder, "node", "node.toml"), `[[api]]\nresource = "hukou"\nurl = "${url}"\n`);
  node = spawn(program, ["node", "run", "--data", join(folder, "node")], { stdio: "ignore" });

  await page.goto("/work/apis/register");
  await page.fill("[name=code]", "hukou");
  await page.fill("[name=title]", "户籍信息核验（合成）");
  await page.fill("[name=org]", police);
  await page.locator("[name=node]").selectOption("police-api");
  await page.fill("[name=document]", "openapi: 3.0.0");
  await page.locator("main form button[type=submit]").click();
  await page.locator(".tb-errors").waitFor();
  assert.match(await page.locator(".tb-errors").innerText(), /paths/);
  await look(page, "api-register");
  const document = {
    openapi: "3.0.3",
    info: { title: "户籍", version: "1" },
    paths: { "/persons/{id}": { get: { summary: "一个人的登记信息" } } },
  };
  await page.fill("[name=document]", JSON.stringify(document));
  await page.locator("main form button[type=submit]").click();
  await page.waitForURL((at) => at.pathname === "/work/apis/hukou");

  const clerk = token("clerk");
  const ask = (path) => fetch(`${house.address}/api/gateway/hukou${path}`, { headers: { authorization: `Bearer ${clerk}` } });
  assert.equal((await ask("/persons/7")).status, 403);
  const me = await (await fetch(`${house.address}/api/identity/me`, { headers: { authorization: `Bearer ${clerk}` } })).json();
  await page.goto("/work/apis/hukou/grant");
  await page.fill("[name=org]", me.posts[0].org);
  await page.fill("[name=purpose]", "核对申请人户籍");
  await page.fill("[name=basis]", "示范条例第一条");
  await page.locator("[name=operations]").first().check();
  await page.fill("[name=masks]", "gmsfhm = id");
  await page.fill("[name=quota_per_day]", "3");
  await look(page, "api-grant");
  await page.locator("main form button[type=submit]").click();
  await page.waitForLoadState();
  assert.equal(new URL(page.url()).pathname, "/work/apis/hukou", await page.locator("main").innerText());

  await until("the node opens its line", async () => {
    await page.goto("/work/apis");
    return /可用/.test(await page.locator("main tbody").innerText());
  });
  const answer = await ask("/persons/7?deep=1");
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { path: "/v1/persons/7?deep=1", gmsfhm: "320000********0039", token: null });
  const call = answer.headers.get("tongban-call");
  assert.match(answer.headers.get("server-timing"), /hub;dur=[\d.]+, line;dur=[\d.]+, node;dur=[\d.]+, api;dur=[\d.]+/);
  assert.equal((await ask("/nothing")).status, 404);
  await ask("/persons/8");
  await ask("/persons/9");
  const over = await ask("/persons/10");
  assert.equal(over.status, 429);
  assert.ok(Number(over.headers.get("retry-after")) > 0);
  assert.match((await over.json()).title, /次数已用完/);

  await page.goto("/work/apis");
  await look(page, "apis");
  await page.goto("/work/apis/hukou");
  await look(page, "api");
  await page.goto("/work/api-calls");
  assert.equal(await page.locator("main tbody tr").count(), 3);
  await look(page, "api-calls");
  await until("the call is sealed", async () => {
    await page.goto(`/work/api-calls/${call}`);
    return (await page.locator("main tbody").last().innerText()).match(/真实/g)?.length === 4;
  });
  await look(page, "api-call");
  assert.doesNotMatch(await page.locator("main").innerText(), /deep/);

  // Suspended on the page, the next call hears it.
  await page.goto("/work/apis/hukou");
  await page.locator("form[action^='/work/api-grants/'] button[value=suspended]").click();
  await page.waitForLoadState();
  assert.match((await (await ask("/persons/7")).json()).title, /已暂停/);
  assert.deepEqual(complaints, []);

  const small = await browser(t, { address: house.address, size: phone });
  await signIn(small.page, house, "steward");
  for (const [path, name] of [["/work/apis", "apis"], ["/work/apis/hukou", "api"], [`/work/api-calls/${call}`, "api-call"], ["/work/cascade", "cascade-join"]]) {
    await small.page.goto(path);
    await look(small.page, name);
  }
  const english = await browser(t, { address: house.address, language: "en" });
  await signIn(english.page, house, "steward");
  await english.page.goto("/work/apis/hukou");
  await look(english.page, "api");
});

test("a hub joins its superior, and sees how that stands", async (t) => {
  const above = await browser(t, { address: superior.address });
  await signIn(above.page, superior, "steward");
  const { hub, code } = await invitation(above.page, "yungang", police);
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  await page.goto("/work/cascade");
  await page.fill("[name=hub]", "http://nowhere");
  await page.locator("main form button[type=submit]").click();
  await page.locator(".tb-errors").waitFor();
  await look(page, "cascade-join");
  await page.fill("[name=hub]", hub);
  await page.fill("[name=code]", code);
  await page.fill("[name=title]", "示范省数据局（合成）");
  await page.fill("[name=org]", police);
  await page.locator("main form button[type=submit]").click();
  await page.locator("form[action='/work/cascade/leave']").waitFor();
  await look(page, "cascade");
  await page.locator("form[action='/work/cascade/leave'] button").click();
  await page.locator("[name=hub]").waitFor();
  assert.deepEqual(complaints, []);
});
