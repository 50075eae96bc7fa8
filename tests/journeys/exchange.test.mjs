// Two nodes of made-up departments: from the invitation on a page to a delivered batch, with the
// executable as the node and SQLite over ODBC as the subscriber's database.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { browser, demo, look, phone, program, signIn } from "../lib/house.mjs";

const run = promisify(execFile);
let house, folder;
before(async () => {
  // The firms of this journey are described in no catalog.
  house = await demo({ env: { TONGBAN_EXCHANGE__CATALOG_BOUND: "false" } });
  folder = mkdtempSync(join(tmpdir(), "tongban-nodes-"));
  mkdirSync(join(folder, "in"));
});
after(async () => {
  await house?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const provider = () => `
[[publication]]
code = "firm-demo"
title = "企业名录（合成）"
key = ["code"]
every_seconds = 0
source = { kind = "folder", path = "${join(folder, "in")}" }
columns = [
  { name = "code", required = true },
  { name = "name", required = true },
  { name = "since", type = "date" },
]
`;
const subscriber = () => `
[[target]]
publication = "firm-demo"
connection = "Driver=SQLite3;Database=${join(folder, "target.db")};Timeout=10000"
table = "firm"
create = true
`;

const work = (node, ...words) => run(program, ["node", ...words, "--data", join(folder, node)]);

/** Invites a node on the page, and runs the command that the page shows. */
async function join_(page, node, settings) {
  await page.goto("/work/exchange/invite");
  await page.fill("[name=node]", node);
  await page.fill("[name=title]", `示范前置机 ${node}（合成）`);
  await page.fill("[name=org]", "11321000990000033R");
  await page.locator("main form button[type=submit]").click();
  const command = (await page.locator("#command").innerText()).trim().split(" ");
  assert.deepEqual(command.slice(0, 3), ["tongban", "node", "enrol"]);
  const words = command.slice(2, -1).filter((word) => word !== "--data");
  await work(node, ...words);
  writeFileSync(join(folder, node, "node.toml"), settings);
}

test("a steward connects two departments, and sees what flowed and what was refused", async (t) => {
  const { page, complaints } = await browser(t, { address: house.address });
  await signIn(page, house, "steward");
  await page.goto("/work/exchange");
  await look(page, "exchange-empty");
  await join_(page, "market-1", provider());
  await look(page, "exchange-invited");
  await join_(page, "tax-1", subscriber());

  writeFileSync(
    join(folder, "in", "1.csv"),
    "code,name,since\nA1,示范一号（合成）,2020-01-02\nA2,示范二号（合成）,2020-02-30\n",
  );
  await work("market-1", "run", "--once");
  await page.goto("/work/exchange");
  const publications = page.locator("form[action='/work/exchange/publications/firm-demo']");
  await publications.locator("button[value=open]").click();
  await page.waitForLoadState();

  await page.goto("/work/exchange/subscribe");
  await look(page, "exchange-subscribe");
  await page.locator("[name=publication]").selectOption("firm-demo");
  await page.locator("[name=node]").selectOption("tax-1");
  await page.fill("[name=purpose]", "核对纳税人登记");
  await page.fill("[name=basis]", "示范条例第一条");
  await page.locator("main form button[type=submit]").click();
  await page.waitForURL((url) => url.pathname === "/work/exchange");

  await work("market-1", "run", "--once");
  await work("tax-1", "run", "--once");
  await page.goto("/work/exchange");
  await look(page, "exchange");
  await page.goto("/work/exchange/batches");
  await look(page, "exchange-batches");
  assert.match(await page.locator("main tbody").innerText(), /已入库/);
  await page.locator("main tbody a").first().click();
  await page.waitForLoadState();
  const detail = await page.locator("main").innerText();
  assert.match(detail, /一致/);
  await look(page, "exchange-batch");
  await page.goto("/work/exchange/days");
  assert.match(await page.locator("main").innerText(), /一致/);
  await look(page, "exchange-day");

  const status = JSON.parse((await work("market-1", "status", "--json")).stdout);
  assert.equal(status.batches[0].receipt, "genuine");
  const bytes = readFileSync(join(folder, "target.db"));
  assert.ok(bytes.includes("示范一号（合成）") && !bytes.includes("示范二号"));

  await page.goto("/work/exchange/nodes/tax-1");
  await look(page, "exchange-node");
  await page.fill("[name=reason]", "机器丢失");
  await page.locator("main form button[type=submit]").click();
  await page.waitForLoadState();
  await assert.rejects(work("tax-1", "run", "--once"), /吊销/);
  assert.deepEqual(complaints, []);

  const small = await browser(t, { address: house.address, size: phone });
  await signIn(small.page, house, "steward");
  await small.page.goto("/work/exchange");
  await look(small.page, "exchange");
});
