// The lake as those who ask and those who answer for a table use it.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, look, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

async function as(t, user) {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, user);
  return { page, complaints };
}

async function ask(page, purpose, sql) {
  await page.goto("/work/lake");
  await page.locator("[name=purpose]").fill(purpose);
  await page.locator("[name=sql]").fill(sql);
  await page.locator("main form button[type=submit]").click();
  await page.waitForLoadState();
}

test("an officer asks for a purpose, sees masked values, and the table remembers", async (t) => {
  const supervisor = await as(t, "supervisor");
  await ask(supervisor.page, "核验参保情况", "SELECT gmsfhm, xm, sum(jfje) je FROM social_insurance GROUP BY 1, 2 ORDER BY 1 LIMIT 20");
  const answer = await supervisor.page.locator("#answer").innerText();
  assert.match(answer, /\d{6}\*{8}\d{3}[\dX]/);
  assert.doesNotMatch(answer, /\d{17}[\dX]/);
  assert.match(answer, /脱敏/);
  await look(supervisor.page, "lake-answer");

  await ask(supervisor.page, "", "SELECT nothing FROM social_insurance");
  assert.match(await supervisor.page.locator("#errors").innerText(), /用途/);
  await ask(supervisor.page, "核验", "DELETE FROM social_insurance");
  assert.match(await supervisor.page.locator("#errors").innerText(), /只能读取/);
  assert.equal(await supervisor.page.locator("[name=sql]").inputValue(), "DELETE FROM social_insurance");

  await supervisor.page.goto("/work/lake/social_insurance");
  const table = await supervisor.page.locator("main").innerText();
  assert.match(table, /AAC002/);
  assert.match(table, /核验参保情况/);
  await look(supervisor.page, "lake-table");
  await supervisor.page.locator("#batches a", { hasText: "demo-2025" }).click();
  assert.match(await supervisor.page.locator("main").innerText(), /公民身份号码不正确/);
  await look(supervisor.page, "lake-batch");
  const complaints = supervisor.complaints.filter((text) => !/422/.test(text));
  assert.deepEqual(complaints, []);
});

test("a clerk is not asked to ask", async (t) => {
  const clerk = await as(t, "clerk");
  await clerk.page.goto("/work");
  assert.equal(await clerk.page.locator("a[href='/work/lake']").count(), 0);
});
