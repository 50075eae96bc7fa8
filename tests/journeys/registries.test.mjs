// Base registries as a steward, an examiner and a citizen use them.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, look, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Signs in a browser of its own for one person. */
async function as(t, user) {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, user);
  return { page, complaints };
}

test("a wrong address is objected to, answered, approved, and shown with its source", async (t) => {
  const steward = await as(t, "steward");
  await steward.page.goto(`/work/data/legal_entity?q=${encodeURIComponent("合成·示范1号")}`);
  const link = steward.page.locator("main .tb-table a").first();
  const record = await link.getAttribute("href");
  await steward.page.goto(record);
  const form = steward.page.locator("form[action$='/object']");
  await form.locator("[name=field]").selectOption("dom");
  await form.locator("[name=expected]").fill("云港市甲区更正路1号");
  await form.locator("[name=reason]").fill("与不动产登记不符");
  await form.locator("button[type=submit]").click();
  await steward.page.waitForURL(/data-objections\//);
  const objection = new URL(steward.page.url()).pathname;
  await look(steward.page, "registry-objection");

  const step = async (page, name, more = {}) => {
    await page.goto(objection);
    await page.locator(`input[name=step][value=${name}]`).check();
    for (const [field, value] of Object.entries(more)) await page.locator(`[name=${field}]`).fill(value);
    await page.locator("main form[method=post] button[type=submit]").click();
    await page.waitForLoadState();
  };
  const food = await as(t, "food");
  await step(food.page, "accept");
  await step(food.page, "find_wrong", { value: "云港市甲区更正路1号", text: "经核对登记档案" });
  const chief = await as(t, "food-chief");
  await step(chief.page, "approve");
  assert.match(await chief.page.locator("main").innerText(), /已更正/);

  await steward.page.goto(record);
  const row = steward.page.locator("tr", { hasText: "云港市甲区更正路1号" }).first();
  assert.match(await row.innerText(), /市场监督管理/);
  await look(steward.page, "registry-record");
  for (const one of [steward, food, chief]) assert.deepEqual(one.complaints, []);
});

test("a citizen sees who looked at her data, and for what", async (t) => {
  const food = await as(t, "food");
  await food.page.goto("/work/data/population?q=340000199612279882");
  await food.page.locator("main .tb-table a").first().click();
  await food.page.locator("[name=purpose]").fill("食品经营许可核验");
  await food.page.locator("form[method=get] button[type=submit]").last().click();
  assert.match(await food.page.locator("main").innerText(), /340000199612279882/);

  const zhang = await as(t, "zhang");
  await zhang.page.goto("/mine/data");
  const text = await zhang.page.locator("main").innerText();
  assert.match(text, /食品经营许可核验/);
  assert.doesNotMatch(text, /340000199612279882/);
  await look(zhang.page, "my-data");
  for (const one of [food, zhang]) assert.deepEqual(one.complaints, []);
});
