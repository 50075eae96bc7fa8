// One resource from its entry to the citizen's page, with the executable as the department's node.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { browser, demo, look, phone, program, signIn } from "../lib/house.mjs";

const run = promisify(execFile);
let house, folder;
before(async () => {
  house = await demo();
  folder = mkdtempSync(join(tmpdir(), "tongban-flow-"));
  mkdirSync(join(folder, "in"));
});
after(async () => {
  await house?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const settings = (resource, length) => `
[[publication]]
code = "hukou-person"
resource = "${resource}"
title = "户籍人口（合成）"
key = ["gmsfhm"]
every_seconds = 0
source = { kind = "folder", path = "${join(folder, "in")}" }
columns = [
  { name = "gmsfhm", title = "公民身份号码", length = 18, required = true },
  { name = "xm", title = "姓名", length = ${length}, required = true },
  { name = "xbdm", title = "性别", length = 1 },
  { name = "csrq", title = "出生日期", type = "date" },
  { name = "hjdz", title = "户籍地址", length = 200 },
]
`;

const work = (...words) => run(program, ["node", ...words, "--data", join(folder, "police-1")]);

/** Reads the page again until it says so. */
async function until(page, path, word) {
  for (let i = 0; i < 60; i++) {
    await page.goto(path);
    const text = await page.locator("main").innerText();
    if (word.test(text)) return text;
    await page.waitForTimeout(500);
  }
  assert.fail(`${path} never says ${word}: ${await page.locator("main").innerText()}`);
}

test("a resource flows as its entry describes it, and everybody sees what he may", async (t) => {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  const found = await page.evaluate(() => fetch("/api/catalog/resources?q=常住人口").then((r) => r.json()));
  const resource = found.items[0].code;
  await page.goto("/work/flow");
  await look(page, "flow-empty");

  await page.goto("/work/exchange/invite");
  await page.fill("[name=node]", "police-1");
  await page.fill("[name=title]", "公安前置机（合成）");
  await page.fill("[name=org]", "113210009900000767");
  await page.locator("main form button[type=submit]").click();
  const command = (await page.locator("#command").innerText()).trim().split(" ");
  await work(...command.slice(2, -1).filter((word) => word !== "--data"));
  writeFileSync(
    join(folder, "in", "1.csv"),
    "gmsfhm,xm,xbdm,csrq,hjdz\n340000199612279882,合成·张一,2,1996-12-27,云港市甲区新址1号\n370000195904074624,合成·王二,7,1959-04-07,\n340000199612279881,合成·孙六,1,1996-12-27,\n",
  );

  // Longer than the entry says: it does not open, and the answer names column and rule.
  writeFileSync(join(folder, "police-1", "node.toml"), settings(resource, 200));
  await work("run", "--once");
  const open = async () => {
    await page.goto("/work/exchange");
    const form = page.locator("form[action='/work/exchange/publications/hukou-person']");
    await form.locator("button[value=open]").click();
    await page.waitForLoadState();
  };
  await open();
  assert.match(await page.locator("main").innerText(), /xm[^]*姓名.*100/);
  await look(page, "flow-differs");

  writeFileSync(join(folder, "police-1", "node.toml"), settings(resource, 100));
  await work("run", "--once");
  await open();
  await work("run", "--once");
  const text = await until(page, "/work/flow/hukou-person", /新增/);
  assert.match(text, /剔除 1 行/);
  await look(page, "flow-resource");
  await page.goto("/work/flow");
  await look(page, "flow");

  // The citizen's record leads back to node and signatures.
  await page.goto("/work/data/population?q=340000199612279882");
  await page.locator("main tbody a").first().click();
  await page.waitForLoadState();
  await page.locator("a[href$='/origin']").click();
  await page.waitForLoadState();
  const origin = await page.locator("main").innerText();
  assert.match(origin, /police-1/);
  assert.match(origin, /验证通过/);
  assert.doesNotMatch(origin, /验证不通过/);
  await look(page, "record-origin");

  await page.goto("/work/lake");
  await page.locator("[name=purpose]").fill("统计甲区人口");
  await page.locator("[name=sql]").fill("SELECT count(*) FROM ods_hukou_person");
  await page.locator("main form button[type=submit]").click();
  await page.waitForLoadState();
  assert.deepEqual(complaints, []);

  // Without script, on a phone.
  const citizen = await browser(t, { address: house.address, size: phone, script: false });
  await signIn(citizen.page, house, "zhang");
  await citizen.page.goto("/mine/data-use");
  const used = await citizen.page.locator("main").innerText();
  assert.match(used, /统计甲区人口/);
  assert.doesNotMatch(used, /340000199612279882/);
  const wide = await browser(t, { address: house.address, size: phone });
  await signIn(wide.page, house, "zhang");
  await wide.page.goto("/mine/data-use");
  await look(wide.page, "data-use");
  const small = await browser(t, { address: house.address, size: phone });
  await signIn(small.page, house, "steward");
  await small.page.goto("/work/flow/hukou-person");
  await look(small.page, "flow-resource");
});
