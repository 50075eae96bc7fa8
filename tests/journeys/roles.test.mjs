// Every role's own pages: what the menus offer, and the first page behind each list.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Account, and pages that its menu may not name. */
const roles = {
  zhang: ["/mine", "/mine/data", "/wallet", "/messages", "/account", "/account/security", "/account/tokens", "/account/agents"],
  clerk: ["/work", "/work?tab=all", "/work/window", "/messages", "/account"],
  food: ["/work", "/work?tab=all", "/work/data/legal_entity"],
  supervisor: ["/supervise", "/supervise/cards", "/supervise/cases"],
  steward: ["/work/matters", "/work/data/population", "/work/data-objections?state=raised"],
  operator: ["/admin/users", "/admin/users/new"],
  security: ["/admin/users"],
  auditor: ["/admin/audit"],
};

const nameOf = (user, path) => `${user}-${path.replace(/[/?=]+/g, "-").replace(/^-|-$/g, "")}`;

/** The first link of a list that leads to one thing of it. */
async function detail(page) {
  const links = await page.locator("main .tb-table a, main .tb-list a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  return links.find((href) => /[0-9a-f]{8}-[0-9a-f]{4}|\/[0-9]{6}/.test(href));
}

for (const [user, wanted] of Object.entries(roles)) {
  for (const [screen, size, language] of [["desktop", desktop, "zh-CN"], ["phone", phone, "en"]]) {
    test(`pages of ${user} are readable and accessible: ${language}, ${screen}`, async (t) => {
      const { page, complaints } = await browser(t, { size, language, address: house.address });
      await signIn(page, house, user);
      const menu = await page.locator(".tb-nav a, .tb-mine a, .tb-side a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
      const paths = [...new Set([...menu, ...wanted])];
      const wrong = [];
      for (const path of paths) {
        const answer = await page.goto(path);
        if (answer.status() >= 400) wrong.push(`${path}: ${answer.status()}`);
        await look(page, nameOf(user, path)).catch((error) => wrong.push(error.message));
        const inside = await detail(page);
        if (inside && wanted.includes(path)) {
          const opened = await page.goto(inside);
          if (opened.status() >= 400) wrong.push(`${inside}: ${opened.status()}`);
          await look(page, `${nameOf(user, path)}-one`).catch((error) => wrong.push(error.message));
        }
      }
      assert.deepEqual(wrong, []);
      assert.deepEqual(complaints, []);
    });
  }
}
