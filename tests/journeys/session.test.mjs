// A session that ends while somebody fills in a form costs nothing of what was typed.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, press, signIn } from "../lib/house.mjs";
import { everything } from "../lib/restaurant.mjs";
import { signedIn } from "../lib/server.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Begins an application; answers the path of its first step. */
async function begin(page, program) {
  const draft = await program("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers: everything });
  await page.goto(`/apply/${draft.id}`);
  return { draft, path: new URL(page.url()).pathname };
}

/** Ends every session of the user, as the list of sessions does, or the time. */
async function endSessions(program) {
  const sessions = await program("GET", "/api/identity/sessions");
  for (const session of sessions.items ?? sessions) await program("DELETE", `/api/identity/sessions/${session.id}`);
}

for (const [size, language] of [[desktop, "zh-CN"], [phone, "en"]]) {
  test(`back at the same step with what was typed, ${size.width} px in ${language}`, async (t) => {
    const program = await signedIn(house, "zhang");
    const { page, complaints } = await browser(t, { size, language, address: house.address });
    await signIn(page, house, "zhang");
    const { draft, path } = await begin(page, program);
    await page.fill('main input[name="contact_phone"]', "19911112222");
    await endSessions(program);
    await press(page, page.locator('button[name="_act"][value="next"]'));
    assert.equal(new URL(page.url()).pathname, "/sign-in", "asked to sign in");

    const account = house.accounts.find((one) => one.user === "zhang");
    await page.fill("#login", account.user);
    await page.fill("#password", account.password);
    await press(page, page.locator("main form button[type=submit]"));
    await page.waitForURL((url) => url.pathname === path);
    assert.equal(await page.inputValue('main input[name="contact_phone"]'), "19911112222");
    assert.ok(await page.locator("[data-kept]").isVisible(), "and told so");
    await look(page, "session-back");

    await press(page, page.locator('button[name="_act"][value="next"]'));
    assert.equal(await page.locator(".tb-errors").count(), 0, await page.locator("main").innerText());
    const saved = await program("GET", `/api/service/drafts/${draft.id}`);
    assert.equal(saved.values.contact_phone, "19911112222");
    await page.goto(path);
    assert.ok(await page.locator("[data-kept]").isHidden(), "once");
    await program("DELETE", `/api/forms/drafts/${draft.id}`);
    assert.deepEqual(complaints, []);
  });
}
