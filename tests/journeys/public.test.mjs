// What anybody sees without signing in: with script and without, in two languages, on two screens.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

const pages = {
  home: "/",
  guide: "/guide",
  theme: "/themes/open-restaurant",
  question: "/themes/open-restaurant/start",
  progress: "/progress",
  verify: "/verify",
  "sign-in": "/sign-in",
  register: "/register",
  api: "/api",
  nowhere: "/nowhere",
};

for (const language of ["zh-CN", "en"]) {
  for (const [screen, size] of Object.entries({ desktop, phone })) {
    test(`public pages are readable and accessible: ${language}, ${screen}`, async (t) => {
      const { page, complaints } = await browser(t, { size, language, address: house.address });
      const wrong = [];
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path);
        await look(page, name).catch((error) => wrong.push(error.message));
      }
      await page.goto("/guide");
      const first = page.locator("main a[href^='/guide/']").first();
      if (await first.count()) {
        await page.goto(await first.getAttribute("href"));
        await look(page, "matter").catch((error) => wrong.push(error.message));
      }
      assert.deepEqual(wrong, []);
      assert.deepEqual(complaints, []);
    });
  }
}

test("public pages work without script", async (t) => {
  const { page, complaints } = await browser(t, { script: false, size: phone, address: house.address });
  await page.goto("/");
  await page.locator("main input[type=search]").fill("食品");
  await page.locator("main form[role=search] button").click();
  assert.match(page.url(), /\/guide\?/);
  await page.locator("main a[href^='/guide/']").first().click();
  assert.match(page.url(), /\/guide\/[0-9A-Z]+/);
  // Who applies must be known; the way back leads to the first question.
  await page.goto("/themes/open-restaurant");
  await page.locator("main a.btn").first().click();
  assert.match(page.url(), /\/sign-in\?next=%2Fthemes%2Fopen/);
  await page.goto("/progress");
  await page.locator("main form button[type=submit]").first().click();
  assert.ok((await page.locator(".tb-errors").count()) > 0, "a form comes back with messages");
  assert.deepEqual(complaints, []);
});

test("who must sign in comes back to the page", async (t) => {
  const { page } = await browser(t, { address: house.address });
  await page.goto("/wallet");
  assert.match(page.url(), /\/sign-in\?next=%2Fwallet/);
  const account = house.accounts.find((one) => one.user === "zhang");
  await page.fill("#login", account.user);
  await page.fill("#password", account.password);
  await page.locator("main form button[type=submit]").click();
  await page.waitForURL("**/wallet");
});
