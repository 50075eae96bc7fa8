// The demo city with its departments at work: what a visitor of `make demo` sees of the data.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo({ departments: true, people: 500 });
});
after(() => house?.stop());

/** Reads the page again until it says so. */
async function until(page, path, word) {
  for (let i = 0; i < 120; i += 1) {
    await page.goto(path);
    const text = await page.locator("main").innerText();
    if (word.test(text)) return text;
    await page.waitForTimeout(500);
  }
  assert.fail(`${path} never says ${word}: ${await page.locator("main").innerText()}`);
}

test("departments deliver, ask and receive", async (t) => {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  // Of 500 people some have a number that is none; their rows are told one by one.
  assert.match(await until(page, "/work/flow/hukou-person", /新增 \d+/), /入湖 \d+ 行/);
  assert.match(await until(page, "/work/flow/enterprises", /已入库 [1-9]\d* 行/), /城市管理局/);
  const asked = await until(page, "/work/catalog-requests", /已授权/);
  assert.match(asked, /合规性检查/);
  assert.match(await until(page, "/work/apis", /身份核验/), /可用/);
  await page.goto("/work/exchange");
  assert.match(await page.locator("svg.tb-topology").textContent(), /市监前置机[^]*城管前置机/);
  assert.deepEqual(complaints, []);
});

for (const [screen, size, language] of [["desktop", desktop, "zh-CN"], ["phone", phone, "en"]]) {
  test(`pages of data are readable and accessible: ${language}, ${screen}`, async (t) => {
    const { page, complaints } = await browser(t, { size, language, address: house.address });
    await signIn(page, house, "steward");
    for (const path of ["/work/flow", "/work/flow/enterprises", "/work/exchange", "/work/exchange/batches", "/work/apis"]) {
      await page.goto(path);
      await look(page, `departments${path.replaceAll("/", "-")}`);
    }
    assert.deepEqual(complaints, []);
  });
}
