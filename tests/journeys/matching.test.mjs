// Duplicates in a registry as a steward finds and decides them.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, look, phone, signIn } from "../lib/house.mjs";
import { start } from "../lib/server.mjs";

let house;
before(async () => {
  house = await start({ people: 3000 });
});
after(() => house?.stop());

test("a steward compares, sees why two records may be one, and decides", async (t) => {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  await page.goto("/work/data-matching");
  const form = page.locator("form[action='/work/data-matching']");
  await form.locator("[name=registry]").selectOption("population");
  await form.locator("button[type=submit]").click();
  assert.match(await page.locator("main").innerText(), /用途/, "a purpose is missing");
  await form.locator("[name=registry]").selectOption("population");
  await form.locator("[name=purpose]").fill("人口库查重");
  await look(page, "matching");
  await form.locator("button[type=submit]").click();
  await page.waitForURL(/data-matching\/runs\//);
  const run = page.url();
  for (let tries = 0; tries < 60; tries += 1) {
    if (/已完成/.test(await page.locator("main").innerText())) break;
    await page.waitForTimeout(500);
    await page.goto(run);
  }
  assert.match(await page.locator("main").innerText(), /已完成/);
  await look(page, "matching-run");

  await page.goto("/work/data-matching/pairs?registry=population");
  await look(page, "matching-pairs");
  await page.locator("main .tb-table a").first().click();
  await page.waitForURL(/pairs\//);
  const pair = page.url();
  const masked = await page.locator("main").innerText();
  assert.match(masked, /\*\*\*\*/);
  assert.match(masked, /比对之前/);
  await look(page, "matching-pair");
  await page.setViewportSize(phone);
  await look(page, "matching-pair");
  await page.goto("/work/data-matching");
  await look(page, "matching");
  await page.goto(pair);
  const decide = async (verdict, reason) => {
    await page.locator(`input[name=verdict][value=${verdict}]`).check();
    await page.locator("[name=reason]").fill(reason);
    await page.locator("#decide button[type=submit]").click();
    await page.waitForLoadState();
  };
  await decide("keep_left", "");
  assert.match(await page.locator("main").innerText(), /请写明理由/);
  await decide("keep_left", "电话核实");
  await page.goto(pair);
  assert.match(await page.locator("main").innerText(), /确认相同/);
  await decide("different", "再次核实不是同一人");
  await page.goto(pair);
  assert.match(await page.locator("main").innerText(), /确认不同/);
  assert.deepEqual(complaints, []);
});
