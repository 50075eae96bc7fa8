// One restaurant, from the citizen's questions to the certificate on the wall and the rating.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, press, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** A PDF of one empty page: what a scanner would send. */
const paper = Buffer.from(
  "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
);

const answers = { area: "assembly" };
const values = {
  shop_name: "合成好味道",
  premises_area: "260",
  contact_phone: "19900000000",
  staff_count: "8",
  exits: "2",
  fire_floor: "1",
  school_distance: "300",
  sign_width: "400",
  sign_height: "100",
  premises_address: "云港市甲区示范路 1 号",
};

/** Answers one question of the theme's questionnaire: yes to everything. */
async function answer(page) {
  const wanted = Object.values(answers).map((value) => `main input[type=radio][value="${value}"]`);
  for (const choice of [...wanted, 'main input[type=radio][value="yes"]', "main input[type=radio]"]) {
    if (await page.locator(choice).count()) {
      await page.locator(choice).first().check();
      break;
    }
  }
  await press(page, page.locator("main form button[type=submit]").first());
}

/** Fills what a step asks and nobody knew yet. */
async function fill(page) {
  for (const field of await page.locator("main input.form-control, main textarea, main select").all()) {
    const [name, kind, tag] = await field.evaluate((one) => [one.name, one.type, one.tagName]);
    if (kind === "hidden" || kind === "search") continue;
    if (kind === "file") {
      await field.setInputFiles({ name: "材料.pdf", mimeType: "application/pdf", buffer: paper });
    } else if (tag === "SELECT") {
      if (!(await field.inputValue())) await field.selectOption({ index: 1 });
    } else if (!(await field.inputValue())) {
      await field.fill(values[name] ?? (kind === "number" ? "100" : kind === "date" ? "2027-01-15" : "合成示例"));
    }
  }
  const groups = await page.locator("main fieldset.tb-group").all();
  for (const group of groups) {
    if ((await group.locator("input").count()) && !(await group.locator("input:checked").count())) {
      await group.locator("input").first().check();
    }
  }
}

/** Ticks the promises of a step; they stand alone, outside any group. */
async function promise(page) {
  for (const box of await page.locator("main input[type=checkbox]:not(fieldset input)").all()) await box.check();
}

/** The citizen's part: number and password of the new case, and its page. */
async function apply(page) {
  await page.goto("/account");
  const firm = page.locator('form[action="/account/acting"] button').first();
  if (await firm.count()) await press(page, firm);
  await page.goto("/themes/open-restaurant/start");
  for (let i = 0; i < 12 && page.url().includes("/themes/"); i += 1) {
    if (i === 0) await look(page, "restaurant-question");
    await answer(page);
  }
  for (let i = 0; i < 12 && !page.url().includes("/review"); i += 1) {
    await fill(page);
    await promise(page);
    await look(page, `restaurant-step-${i}`);
    await press(page, page.locator('button[name="_act"][value="next"]'));
    assert.equal(await page.locator(".tb-errors").count(), 0, await page.locator("main").innerText());
  }
  await look(page, "restaurant-review");
  await press(page, page.locator('form[action$="/review"] button[type=submit]'));
  assert.equal(await page.locator(".tb-errors").count(), 0, await page.locator("main").innerText());
  await look(page, "restaurant-receipt");
  const number = await page.locator("#case-number").innerText();
  const password = await page.locator("#query-password").innerText();
  const href = await page.locator("main a.btn").first().getAttribute("href");
  return { number, password, href: href.split("?")[0] };
}

/** Officers whose case page was looked at. */
const seen = new Set();

/** An officer does what a case asks of him; answers whether there was anything. */
async function work(page, href, choose) {
  await page.goto(href);
  const claim = page.locator('form[action$="/claim"] button').first();
  if (await claim.count()) await press(page, claim);
  const form = page.locator('form[action$="/complete"]').first();
  if (!(await form.count())) return false;
  if (!seen.has(choose.name)) await look(page, `officer-${choose.name}`, { full: false });
  seen.add(choose.name);
  for (const outcome of choose.outcomes) {
    const radio = form.locator(`input[name="outcome"][value="${outcome}"]`);
    if (await radio.count()) {
      await radio.check();
      break;
    }
  }
  for (const field of await form.locator("input.form-control, textarea").all()) {
    const [name, required] = await field.evaluate((one) => [one.name, one.getAttribute("aria-required")]);
    if (name === "officers") await field.fill("合成核查员甲、合成核查员乙");
    else if (name === "receiver") await field.fill("合成·张一");
    else if (name === "opinion") await field.fill("符合条件。");
    else if (required) await field.fill("示例");
  }
  await press(page, form.locator("button[type=submit]"));
  assert.equal(await page.locator(".tb-errors").count(), 0, await page.locator("main").innerText());
  return true;
}

const officers = [
  { name: "food", outcomes: ["pass"] },
  { name: "urban", outcomes: ["pass", "approve"] },
  { name: "fire", outcomes: ["pass", "approve"] },
  { name: "tobacco", outcomes: ["pass"] },
  { name: "food-chief", outcomes: ["approve", "pass"] },
  { name: "urban-chief", outcomes: ["approve"] },
  { name: "fire-chief", outcomes: ["approve"] },
  { name: "tobacco-chief", outcomes: ["approve", "pass"] },
];

/** Work appears when jobs and events have run; a person would look again too. */
async function until(what, seconds, ask) {
  for (let i = 0; i < seconds * 2; i += 1) {
    if (await ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.fail(`waited in vain for ${what}`);
}

test("a citizen opens a restaurant", async (t) => {
  const citizen = await browser(t, { size: desktop, address: house.address });
  await signIn(citizen.page, house, "zhang");
  const mine = await apply(citizen.page);

  const clerk = await browser(t, { size: desktop, address: house.address });
  await signIn(clerk.page, house, "clerk");
  await clerk.page.goto("/work");
  const row = clerk.page.locator("main tr", { hasText: mine.number }).locator("a").first();
  const parent = await row.getAttribute("href");
  assert.ok(await work(clerk.page, parent, { name: "clerk", outcomes: ["accept"] }), "acceptance waits");

  let parts = [];
  await until("the sub-cases", 20, async () => {
    await clerk.page.goto(parent);
    parts = await clerk.page.locator('.tb-case-body .tb-list a[href^="/work/cases/"]').evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    return parts.length >= 4;
  });
  const desks = [];
  for (const officer of officers) {
    const desk = await browser(t, { size: desktop, address: house.address });
    await signIn(desk.page, house, officer.name);
    desks.push([officer, desk.page]);
  }
  await until("every department", 60, async () => {
    let acted = false;
    for (const part of parts) {
      for (const [officer, page] of desks) acted = (await work(page, part, officer)) || acted;
    }
    await clerk.page.goto(parent);
    return !acted && (await clerk.page.locator('form[action$="/claim"], form[action$="/complete"]').count()) > 0;
  });
  await clerk.page.locator(".tb-case-body details").last().locator("summary").click();
  await clerk.page.locator(".tb-drawn, .tb-process[hidden]").first().waitFor({ state: "attached" });
  assert.equal(await clerk.page.locator(".tb-drawn").count(), 1, "the process picture is drawn");
  await look(clerk.page, "officer-process");
  assert.ok(await work(clerk.page, parent, { name: "clerk-deliver", outcomes: ["delivered"] }), "delivery waits");

  const page = citizen.page;
  await until("the end", 20, async () => {
    await page.goto(mine.href);
    return (await page.locator("#rate").count()) > 0;
  });
  await look(page, "restaurant-done");
  await page.locator('#rate input[name="satisfaction"]').first().check();
  await press(page, page.locator("#rate form button[type=submit]"));
  await look(page, "restaurant-rated");
  await page.goto("/wallet");
  await look(page, "restaurant-wallet");

  const stranger = await browser(t, { size: phone, language: "en", address: house.address });
  await stranger.page.goto("/progress");
  await stranger.page.fill("#number", mine.number);
  await stranger.page.fill("#password", mine.password);
  await press(stranger.page, stranger.page.locator("main form button[type=submit]"));
  assert.ok((await stranger.page.locator(".tb-result").count()) > 0);
  await look(stranger.page, "restaurant-progress");
  for (const one of [citizen, clerk, stranger]) assert.deepEqual(one.complaints, []);
});
