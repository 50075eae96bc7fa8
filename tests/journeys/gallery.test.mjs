// The component gallery: every component in every state, in three languages, on two screens.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

for (const language of ["zh-CN", "en", "zh-TW"]) {
  for (const [screen, size] of Object.entries({ desktop, phone })) {
    test(`every component is readable and accessible: ${language}, ${screen}`, async (t) => {
      const { page, complaints } = await browser(t, { size, language, address: house.address });
      await page.goto("/gallery");
      await look(page, "gallery");
      assert.deepEqual(complaints, []);
      });
  }
}

test("the menu of a small screen opens without script", async (t) => {
  const { page } = await browser(t, { size: phone, script: false, address: house.address });
  await page.goto("/gallery");
  const language = page.getByRole("link", { name: "English" });
  assert.equal(await language.isVisible(), false);
  await page.locator("summary").click();
  await language.click();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
});

test("the keyboard reaches the content first", async (t) => {
  const { page } = await browser(t, { address: house.address });
  await page.goto("/api");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});
