// The catalog as stewards, approvers and a foreign department use it.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, look, phone, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Signs in a browser of its own for one person. */
async function as(t, user, more = {}) {
  const { page, complaints } = await browser(t, { address: house.address, ...more });
  await signIn(page, house, user);
  return { page, complaints };
}

const name = `食品抽检结果${Date.now()}`;

test("a resource is drafted, checked, approved by two bodies, published and revised", async (t) => {
  const food = await as(t, "food");
  await food.page.goto("/work/catalog");
  await look(food.page, "catalog");
  await food.page.goto("/work/catalog/new");
  await look(food.page, "catalog-new", { keep: false });
  await food.page.locator("#name").fill(name);
  await food.page.locator("#class").selectOption("204001");
  await food.page.locator("#abstract").fill("食品抽检的编号、食品、结论，每月更新。");
  await food.page.locator("#format_class").selectOption("3");
  await food.page.locator("#format_type").fill("PostgreSQL");
  await food.page.locator("#share_type").selectOption("2");
  await food.page.locator("#share_condition").fill("用于联合检查");
  await food.page.locator("#share_mode").selectOption("1");
  await food.page.locator("#share_mode_type").selectOption("1");
  await food.page.locator("#cycle").selectOption("4");
  const save = () => food.page.locator("main form button[type=submit]").first().click();
  await save();
  await food.page.waitForURL(/work\/catalog\/[0-9a-f-]{36}$/);
  const entry = new URL(food.page.url()).pathname;
  const main = (page) => page.locator("main").innerText();
  assert.match(await main(food.page), /共享范围.*哪些部门/s);
  await look(food.page, "catalog-findings");

  const step = async (page, value, more = {}) => {
    await page.goto(entry);
    await page.locator(`input[name=step][value=${value}]`).check();
    for (const [field, text] of Object.entries(more)) await page.locator(`#steps [name=${field}]`).fill(text);
    await page.locator("#steps button[type=submit]").click();
    await page.waitForLoadState();
  };
  await step(food.page, "submit");
  assert.match(await food.page.locator("#errors").innerText(), /信息项/);

  await food.page.goto(`${entry}/edit`);
  await food.page.locator("[name=item_name]").first().fill("抽检编号");
  await food.page.locator("[name=item_type]").first().selectOption("C");
  await food.page.locator("[name=item_length]").first().fill("20");
  await food.page.locator("[name=item_key]").first().selectOption("true");
  await food.page.locator("#share_scope").fill("市级监管部门");
  await look(food.page, "catalog-edit");
  await save();
  await food.page.waitForURL(new RegExp(`${entry}$`));
  await step(food.page, "submit");
  assert.match(await main(food.page), /部门审核/);

  const decide = async (page, path, outcome, opinion = "") => {
    await page.goto(path);
    await page.locator(`input[name=outcome][value=${outcome}]`).check();
    await page.locator("#opinion").fill(opinion);
    await page.locator("#task button[type=submit]").click();
    await page.waitForLoadState();
  };
  const chief = await as(t, "food-chief");
  await chief.page.goto("/work/catalog");
  assert.match(await chief.page.locator("#waiting").innerText(), /部门审核/);
  await decide(chief.page, entry, "agree");
  const steward = await as(t, "steward");
  await decide(steward.page, entry, "agree");
  await steward.page.locator("summary", { hasText: "办理流程" }).click();
  await steward.page.locator(".tb-process svg").first().waitFor();
  await look(steward.page, "catalog-entry");
  assert.match(await main(steward.page), /204001\/0000/);

  await step(food.page, "revise");
  await food.page.goto(`${entry}/edit`);
  await food.page.locator("#cycle").selectOption("3");
  await save();
  await food.page.waitForURL(new RegExp(`${entry}$`));
  assert.match(await food.page.locator("#changes").innerText(), /更新周期/);
  for (const one of [food, chief, steward]) assert.deepEqual(one.complaints, []);
});

test("another department asks, the provider grants and suspends", async (t) => {
  const urban = await as(t, "urban");
  await urban.page.goto(`/work/catalog?q=${encodeURIComponent("食品经营许可")}`);
  await urban.page.locator("main .tb-table a").first().click();
  await urban.page.locator("a", { hasText: "申请使用" }).click();
  await urban.page.locator("main form button[type=submit]").click();
  assert.match(await urban.page.locator("#errors").innerText(), /必填/);
  await look(urban.page, "catalog-request-new");
  await urban.page.locator("#applicant").selectOption({ index: 1 });
  await urban.page.locator("input[name=items]").first().check();
  await urban.page.locator("#basis").fill("《示范条例（合成）》第二条");
  await urban.page.locator("#purpose").fill("户外招牌审批核验");
  await urban.page.locator("#users").fill("招牌审批系统");
  await urban.page.locator("#ends_on").fill(`${new Date().getFullYear()}-12-31`);
  await urban.page.locator("#responsible").fill("合成·安全员");
  await urban.page.locator("#contact").fill("13800138000");
  await urban.page.locator("main form button[type=submit]").click();
  await urban.page.waitForURL(/catalog-requests\//);
  const request = new URL(urban.page.url()).pathname;
  const decide = async (user, outcome) => {
    const one = await as(t, user);
    await one.page.goto(request);
    await one.page.locator(`input[name=outcome][value=${outcome}]`).check();
    await one.page.locator("#task button[type=submit]").click();
    await one.page.waitForLoadState();
    return one;
  };
  await decide("urban-chief", "agree");
  await decide("steward", "agree");
  const chief = await decide("food-chief", "agree");
  assert.match(await chief.page.locator("main").innerText(), /已授权/);
  await chief.page.locator("input[name=step][value=suspend]").check();
  await chief.page.locator("#reason").fill("核实使用范围");
  await chief.page.locator("#steps button[type=submit]").click();
  await chief.page.waitForLoadState();
  assert.match(await chief.page.locator("main").innerText(), /已暂停/);
  await look(chief.page, "catalog-request");
  await chief.page.goto("/work/catalog-requests");
  await look(chief.page, "catalog-requests");
  for (const one of [urban, chief]) assert.deepEqual(one.complaints, []);
});

test("lists are imported with a report, exported, and read on a phone", async (t) => {
  const food = await as(t, "food", { size: phone });
  await food.page.goto("/work/catalog/import");
  const list = "信息资源名称,信息资源代码,数据类型\n无摘要,,\n";
  await food.page.setInputFiles("#file", { name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(list) });
  await food.page.locator("#dry_run").check();
  await food.page.locator("main form button[type=submit]").first().click();
  await food.page.locator("#report").waitFor();
  assert.match(await food.page.locator("main").innerText(), /摘要必填/);
  await look(food.page, "catalog-import");
  await food.page.goto("/work/catalog-lists");
  await look(food.page, "catalog-lists", { keep: false });
  const file = await food.page.request.get("/api/catalog/export?format=csv");
  assert.match(await file.text(), /信息资源名称/);
  const open = await food.page.request.get("/catalog/dcat");
  assert.match(open.headers()["content-type"], /ld\+json/);
  assert.deepEqual(food.complaints, []);
});
