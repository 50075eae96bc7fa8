// Officers handle the tasks of a process that no application owns: found, taken, handed on, sent
// back, answered together, read as a copy; on a desk and on a phone, in both languages.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, press, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Market regulation in the demo city. */
const org = "11321000990000033R";

const purchase = `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" targetNamespace="https://example.org">
  <process id="purchase" name="合成采购审批" isExecutable="true">
    <startEvent id="s"/>
    <userTask id="draft" name="填写采购单" tongban:candidates="examiner@${org}" tongban:days="3"
      tongban:fields="what:read,amount:write:number,until:write:date,urgent:write:boolean" tongban:labels="what=采购内容,amount=金额（元）,until=需要日期,urgent=是否加急"/>
    <userTask id="decide" name="审批采购单" tongban:candidates="approver@${org}" tongban:days="5" tongban:outcomes="agree,refuse"
      tongban:fields="what:read,amount:read,until:read,urgent:read,*:hidden" tongban:labels="what=采购内容,amount=金额（元）,until=需要日期,urgent=是否加急" tongban:grounds="专家评审,检验检测"/>
    <endEvent id="e"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="draft"/><sequenceFlow id="f2" sourceRef="draft" targetRef="decide"/>
    <sequenceFlow id="f3" sourceRef="decide" targetRef="e"/>
  </process>
</definitions>`;

async function open(t, user, options = {}) {
  const opened = await browser(t, { address: house.address, ...options });
  await signIn(opened.page, house, user);
  return opened;
}

/** Deploys the process and begins it some times. */
async function begin(t, times) {
  const { page } = await open(t, "steward");
  await page.goto("/processes/upload");
  await page.setInputFiles("#file", { name: "purchase.bpmn", mimeType: "application/xml", buffer: Buffer.from(purchase) });
  await page.fill("#key", "purchase");
  await press(page, page.locator('button[value="deploy"]'));
  for (let time = 1; time <= times; time += 1) {
    await page.goto("/processes/definitions/purchase");
    await page.locator("summary", { hasText: "手工启动" }).click();
    await page.fill("#note", `采购-${time}`);
    await page.fill("#variables", JSON.stringify({ what: `打印机 ${time} 台` }));
    await press(page, page.locator('form[action*="/start"] button'));
  }
}

/** Presses a button of a task's page and waits for the page to which it leads. */
async function does(page, button, leads) {
  await Promise.all([page.waitForURL(leads), button.click()]);
  await page.waitForLoadState("load");
}

async function fold(page, words) {
  await page.locator("summary", { hasText: words }).first().click();
}

test("an officer starts a process, sees how it stands, and urges", async (t) => {
  const { page } = await open(t, "food");
  await page.goto("/tasks");
  await page.locator("main a", { hasText: "发起流程" }).click();
  await look(page, "start-list");
  await page.locator("main a", { hasText: "采购审批" }).click();
  await page.getByLabel("采购内容").fill("打印机");
  await page.getByLabel("金额（元）").fill("三千");
  await does(page, page.locator("main form button", { hasText: "发起" }), /\/tasks\/start\/procurement$/);
  assert.equal(await page.getByLabel("采购内容").inputValue(), "打印机");
  await look(page, "start-wrong");
  await page.getByLabel("标题").fill("采购打印机 3 台");
  await page.getByLabel("金额（元）").fill("3000");
  await does(page, page.locator("main form button", { hasText: "发起" }), /\/tasks\/started\//);
  assert.match(await page.locator("main").innerText(), /审批/);
  await does(page, page.locator("button", { hasText: "催办" }), /done=urge/);
  await page.locator(".tb-process").scrollIntoViewIfNeeded();
  await page.locator(".tb-drawn").waitFor();
  await look(page, "started");
  await page.goto("/tasks?of=started");
  assert.match(await page.locator("main").innerText(), /采购打印机 3 台/);
  await look(page, "started-list");

  const small = await open(t, "food", { size: phone, language: "en" });
  await small.page.goto("/tasks/start/procurement");
  await look(small.page, "start-phone-en");
  await small.page.goto("/tasks?of=started");
  await look(small.page, "started-list-phone-en");
});

test("a task is taken, filled in, suspended, sent back, read as a copy, and approved", async (t) => {
  await begin(t, 3);
  const { page, complaints } = await open(t, "food");
  await page.goto("/tasks");
  await look(page, "tasks-none");
  await page.goto("/tasks?of=free");
  await look(page, "tasks-free");
  await page.locator("main a", { hasText: "填写采购单" }).first().click();
  await look(page, "task-free");
  await does(page, page.locator("button", { hasText: "签收" }), /done=claim/);
  await page.getByLabel("金额（元）").fill("三千");
  await does(page, page.locator("button", { hasText: "办结" }), /\/complete$/);
  assert.match(await page.locator("#errors").innerText(), /请填写数字/);
  assert.equal(await page.getByLabel("金额（元）").inputValue(), "三千");
  await look(page, "task-wrong");
  await page.getByLabel("金额（元）").fill("3000");
  await page.getByLabel("需要日期").fill("2027-01-15");
  await page.getByLabel("是否加急").selectOption("false");
  await does(page, page.locator("button", { hasText: "暂存" }), /done=save/);
  assert.match(await page.locator("main").innerText(), /暂存/);
  assert.equal(await page.getByLabel("金额（元）").inputValue(), "3000");
  await does(page, page.locator("button", { hasText: "办结" }), /done=complete/);
  assert.match(await page.locator("main").innerText(), /撤回/);
  await look(page, "task-done");
  const done = new URL(page.url()).pathname;

  const chief = await open(t, "food-chief");
  await chief.page.goto("/tasks?of=free");
  await chief.page.locator("main a", { hasText: "审批采购单" }).click();
  assert.match(await chief.page.locator("main").innerText(), /3000/);
  await does(chief.page, chief.page.locator("button", { hasText: "签收" }), /done=claim/);
  await fold(chief.page, "中止计时");
  await chief.page.getByLabel("法定事由").selectOption("专家评审");
  await chief.page.locator("#suspend-reason").fill("请专家评审");
  await does(chief.page, chief.page.locator('form[action$="/suspend"] button'), /done=suspend/);
  assert.match(await chief.page.locator("main").innerText(), /计时自/);
  await look(chief.page, "task-suspended");
  await does(chief.page, chief.page.locator("button", { hasText: "恢复计时" }), /done=resume/);
  await fold(chief.page, "退回");
  await chief.page.locator("#return-to").selectOption("draft");
  await chief.page.locator("#return-reason").fill("金额与预算不符");
  await does(chief.page, chief.page.locator('form[action$="/return"] button'), /\/tasks$/);

  await page.goto("/tasks");
  await page.locator("main a", { hasText: "填写采购单" }).click();
  assert.match(await page.locator("main").innerText(), /金额与预算不符/);
  await look(page, "task-returned");
  await fold(page, "传阅");
  await page.locator("#circulate-readers").fill("food-chief");
  await page.locator("#circulate-note").fill("请阅");
  await does(page, page.locator('form[action$="/circulate"] button'), /done=circulate/);
  await page.getByLabel("金额（元）").fill("2000");
  await does(page, page.locator("button", { hasText: "办结" }), /done=complete/);
  await chief.page.goto("/tasks?of=copies");
  await look(chief.page, "tasks-copies");
  await press(chief.page, chief.page.locator("button", { hasText: "确认已阅" }));
  await chief.page.locator("button", { hasText: "确认已阅" }).waitFor({ state: "detached" });
  await chief.page.goto("/tasks?of=free");
  await chief.page.locator("main a", { hasText: "审批采购单" }).click();
  await chief.page.getByLabel("同意", { exact: true }).check();
  await chief.page.getByLabel(/^意见/).fill("同意采购");
  await does(chief.page, chief.page.locator("button", { hasText: "办结" }), /done=complete/);
  assert.match(await chief.page.locator("main").innerText(), /已办结/);
  await page.goto(done);
  assert.match(await page.locator("main").innerText(), /已办/);
  assert.deepEqual([...complaints, ...chief.complaints], []);
});

test("tasks are answered together, and a substitute is named", async (t) => {
  const { page, complaints } = await open(t, "food");
  await page.goto("/tasks?of=free");
  for (const box of await page.locator('input[name="task"]').all()) await box.check();
  await fold(page, "批量办结");
  await look(page, "tasks-batch");
  await does(page, page.locator("button", { hasText: "办结所选" }), /\/tasks\/complete$/);
  assert.match(await page.locator("main").innerText(), /已办结 2 项/);
  await page.goto("/tasks/substitutes");
  await look(page, "substitutes-none");
  await page.fill("#substitute", "nobody");
  await page.fill("#from", "2027-01-04");
  await page.fill("#until", "2027-01-08");
  await page.fill("#reason", "休假");
  await press(page, page.locator("main form button").last());
  assert.match(await page.locator("#substitute-error-1").innerText(), /nobody/);
  await page.fill("#substitute", "food-chief");
  await press(page, page.locator("main form button").last());
  assert.match(await page.locator("main table").innerText(), /休假/);
  await look(page, "substitutes");
  assert.deepEqual(complaints, []);
});

for (const [language, size] of [["en", desktop], ["zh-CN", phone], ["en", phone]]) {
  test(`pages of tasks are readable and accessible: ${language}, ${size.width}`, async (t) => {
    const { page, complaints } = await open(t, "food-chief", { size, language });
    for (const [name, path] of [["tasks-free", "/tasks?of=free"], ["tasks-done", "/tasks?of=done"], ["substitutes", "/tasks/substitutes"]]) {
      await page.goto(path);
      await look(page, name);
    }
    await page.goto("/tasks?of=free");
    await page.locator("main table a").first().click();
    // A picture is drawn when one comes to it.
    await page.locator(".tb-process").scrollIntoViewIfNeeded();
    await page.locator(".tb-drawn").waitFor();
    await look(page, "task");
    assert.deepEqual(complaints, []);
  });
}
