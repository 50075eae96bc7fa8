// A process from an empty sheet to its live tokens: drawn, checked, deployed, run, looked at and
// put right, in a real browser; and the same pages on a phone, in English and without script.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { browser, demo, desktop, look, phone, press, signIn } from "../lib/house.mjs";

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

/** Examiners of market regulation in the demo city. */
const examiners = "examiner@11321000990000033R";

async function open(t, user, options = {}) {
  const opened = await browser(t, { address: house.address, ...options });
  await signIn(opened.page, house, user);
  return opened;
}

async function drawn(page) {
  await page.locator(".tb-drawn").first().waitFor();
}

/** Types into a property as somebody with a keyboard does, and leaves the field. */
async function property(page, prop, value) {
  const field = page.locator(`[data-prop="${prop}"]`);
  await field.fill(value);
  await field.press("Tab");
}

async function append(page, kind) {
  await page.locator("#modeler-append").selectOption(kind);
  await page.locator("[data-act=append]").press("Enter");
}

async function check(page) {
  await page.locator("[data-act=check]").click();
  await page.locator("#modeler-status.tb-good, #modeler-status.tb-danger, #modeler-status.tb-warning").waitFor();
}

test("a process is drawn, checked, deployed, run, and put right", async (t) => {
  const { page, complaints } = await open(t, "steward");
  await page.goto("/processes/new");
  await drawn(page);
  await look(page, "modeler-blank", { full: false });
  await property(page, "name", "合成巡查");
  await property(page, "id", "patrol");
  await page.locator("#modeler-outline").selectOption("start");
  await append(page, "userTask");
  await property(page, "name", "现场巡查");
  await property(page, "id", "visit");
  await property(page, "tongban:candidates", examiners);
  await property(page, "tongban:days", "3");
  await property(page, "tongban:outcomes", "pass,fail");
  await property(page, "other", "act=visit");

  // A boundary event by mouse: dragged from the palette onto the border of the step.
  const border = await page.locator('.djs-element[data-element-id="visit"]').boundingBox();
  const tool = await page.locator('.djs-palette .entry[data-action="create.intermediate-event"]').boundingBox();
  await page.mouse.move(tool.x + 20, tool.y + 20);
  await page.mouse.down();
  await page.mouse.move(border.x + border.width * 0.75, border.y + border.height - 8, { steps: 12 });
  await page.mouse.up();
  await check(page);
  const findings = page.locator("#findings li");
  const rules = await findings.allInnerTexts();
  assert.ok(rules.some((text) => text.includes("[boundary-untyped]")), rules.join("\n"));
  await look(page, "modeler-findings");
  // A finding leads to its element.
  await page.locator("#findings li", { hasText: "boundary-untyped" }).locator("button").click();
  assert.match(await page.locator("#panel-findings").innerText(), /.+/);
  await page.locator("[data-act=remove]").click();

  await page.locator("#modeler-outline").selectOption("visit");
  await append(page, "endEvent");
  await check(page);
  assert.equal(await page.locator("#findings").isVisible(), false);

  // Changes are guarded.
  const asked = page.waitForEvent("dialog").then(async (dialog) => {
    await dialog.dismiss();
    return dialog.type();
  });
  await page.locator(".tb-crumbs a").first().click({ noWaitAfter: true });
  assert.equal(await asked, "beforeunload");

  await page.locator("[data-act=deploy]").click();
  await page.locator("#deploy[open]").waitFor();
  assert.equal(await page.locator("#deploy-key").inputValue(), "patrol");
  await page.fill("#deploy-comment", "第一版");
  await look(page, "modeler-deploy", { full: false });
  await page.locator("#deploy button[type=submit]").click();
  await page.waitForURL("**/processes/definitions/patrol?version=1");
  assert.match(await page.locator("main").innerText(), /第一版/);

  const file = await (await page.request.get("/processes/definitions/patrol/versions/1/file")).text();
  assert.match(file, /tongban:candidates="examiner@/);
  assert.match(file, /tongban:days="3"/);
  assert.match(file, /tongban:act="visit"/);

  // It runs.
  await page.locator("summary", { hasText: "手工启动" }).click();
  await page.fill("#note", "试运行");
  await page.fill("#variables", '{"person": "合成·张三"}');
  await press(page, page.locator('form[action*="/start"] button'));
  await drawn(page);
  await page.locator('.djs-element.tb-live[data-element-id="visit"]').waitFor();
  await page.locator('.djs-element.tb-passed[data-element-id="start"]').waitFor();
  assert.doesNotMatch(await page.locator("main").innerText(), /合成·张三/);
  await page.locator('.djs-element[data-element-id="visit"] .djs-hit').first().hover();
  assert.match(await page.locator(".tb-tip").innerText(), /秒|分钟/);
  await look(page, "process-instance");
  const instance = new URL(page.url()).pathname;
  await page.goto("/processes/definitions/patrol");
  await drawn(page);
  await page.locator(".tb-pill", { hasText: "1" }).waitFor();
  assert.equal(await page.locator('.djs-element.tb-heat-4[data-element-id="visit"]').count(), 1);
  assert.deepEqual(complaints, []);

  // The post that was set has the task, with its working days.
  const officer = await open(t, "food");
  const { items } = await (await officer.page.request.get("/api/workflow/tasks?of=free")).json();
  const task = items.find((item) => item.element === "visit");
  assert.deepEqual([task?.name, task?.outcomes], ["现场巡查", ["pass", "fail"]]);
  assert.ok(new Date(task.due_at) > new Date());

  // An operator looks at the variables for a purpose, and ends it.
  const operator = await open(t, "operator");
  await operator.page.goto(instance);
  await operator.page.fill("#variables-purpose", "核对试运行");
  await press(operator.page, operator.page.locator('form[action*="/variables"] button'));
  assert.match(await operator.page.locator("main").innerText(), /合成·张三/);
  await operator.page.goto(instance);
  await operator.page.locator("summary", { hasText: "取消流程" }).click();
  await press(operator.page, operator.page.locator('form[action$="/cancel"] button'));
  assert.match(await operator.page.locator("main").innerText(), /请说明理由/);
  await operator.page.fill("#cancel-reason", "试运行结束");
  await press(operator.page, operator.page.locator('form[action$="/cancel"] button'));
  assert.match(await operator.page.locator("h1").innerText(), /已取消/);
  assert.deepEqual(operator.complaints, []);
});

/** A step that nobody carries out, beside one that waits. */
const stopping = `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" targetNamespace="https://example.org">
  <process id="ask" name="合成核验" isExecutable="true">
    <startEvent id="s"/><parallelGateway id="g"/><endEvent id="e"/>
    <serviceTask id="q" name="询问" tongban:call="nobody"/>
    <userTask id="u" name="复核" tongban:candidates="${examiners}"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="g"/><sequenceFlow id="f2" sourceRef="g" targetRef="q"/>
    <sequenceFlow id="f3" sourceRef="g" targetRef="u"/><sequenceFlow id="f4" sourceRef="q" targetRef="e"/>
    <sequenceFlow id="f5" sourceRef="u" targetRef="e"/>
  </process>
</definitions>`;

test("what stopped is seen, grouped, and tried again", async (t) => {
  const { page, complaints } = await open(t, "steward");
  await page.goto("/processes/new");
  await drawn(page);
  await page.setInputFiles("#modeler-import", { name: "ask.bpmn", mimeType: "application/xml", buffer: Buffer.from(stopping) });
  await page.locator('.djs-element[data-element-id="q"]').waitFor();
  await page.locator("[data-act=deploy]").click();
  await page.locator("#deploy button[type=submit]").click();
  await page.waitForURL("**/processes/definitions/ask?version=1");
  for (const note of ["甲", "乙"]) {
    await page.goto("/processes/definitions/ask");
    await page.locator("summary", { hasText: "手工启动" }).click();
    await page.fill("#note", `合成${note}`);
    await press(page, page.locator('form[action*="/start"] button'));
  }
  await drawn(page);
  await page.locator('.djs-element.tb-halted[data-element-id="q"]').waitFor();
  const instance = new URL(page.url()).pathname;
  assert.deepEqual(complaints, []);
  for (const size of [desktop, phone]) {
    const operator = await open(t, "operator", { size });
    await operator.page.goto(instance);
    await drawn(operator.page);
    await look(operator.page, "process-stopped");
    await operator.page.goto("/processes/incidents");
    assert.match(await operator.page.locator("section.tb-card").innerText(), /停滞 2/);
    await look(operator.page, "process-incidents-some");
    if (size === phone) continue;
    await operator.page.locator("section.tb-card input[type=checkbox]").first().uncheck();
    await operator.page.fill("#reason-1", "服务已登记");
    await press(operator.page, operator.page.locator("section.tb-card button"));
    // Nobody carries it out yet: it was tried, and stopped again.
    assert.match(await operator.page.locator(".tb-alert").innerText(), /已重试 1 个/);
    assert.match(await operator.page.locator("section.tb-card").innerText(), /停滞 2/);
    assert.deepEqual(operator.complaints, []);
  }
});

const foreign = `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:flowable="http://flowable.org/bpmn" targetNamespace="https://example.org">
  <process id="leave" name="请假" isExecutable="true">
    <startEvent id="begin" flowable:initiator="who"/>
    <userTask id="approve" name="审批" flowable:candidateGroups="approver@X" flowable:formKey="leave-form">
      <extensionElements><flowable:taskListener event="create" class="org.example.Listener"/></extensionElements>
    </userTask>
    <endEvent id="over"/>
    <sequenceFlow id="a" sourceRef="begin" targetRef="approve"/>
    <sequenceFlow id="b" sourceRef="approve" targetRef="over"/>
  </process>
</definitions>`;

test("a file of another engine keeps what it brought, and is told what has no effect", async (t) => {
  const { page, complaints } = await open(t, "steward");
  await page.goto("/processes/new");
  await drawn(page);
  await page.setInputFiles("#modeler-import", { name: "leave.bpmn", mimeType: "application/xml", buffer: Buffer.from(foreign) });
  await page.locator('.djs-element[data-element-id="approve"]').waitFor();
  // Arranged, with its flows drawn.
  assert.equal(await page.locator(".djs-connection").count(), 2);
  await page.locator("#modeler-outline").selectOption("approve");
  await property(page, "tongban:days", "2");
  await check(page);
  assert.match(await page.locator("#findings").innerText(), /taskListener/);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("[data-act=download]").click()]);
  const stream = await download.createReadStream();
  let saved = "";
  for await (const part of stream) saved += part;
  for (const kept of ['flowable:candidateGroups="approver@X"', 'flowable:formKey="leave-form"', "org.example.Listener", 'tongban:days="2"', "BPMNShape"]) {
    assert.ok(saved.includes(kept), `${kept} in ${saved}`);
  }
  await page.setInputFiles("#modeler-import", { name: "x.bpmn", mimeType: "application/xml", buffer: Buffer.from("<html>") });
  await page.locator("#modeler-status.tb-danger").waitFor();
  assert.deepEqual(complaints, []);
});

test("a decision is changed in its table, deployed, and tried", async (t) => {
  const { page, complaints } = await open(t, "steward");
  await page.goto("/processes/definitions/food-risk/edit");
  await drawn(page);
  await look(page, "decision-modeler", { full: false });
  const cell = page.locator("td.output-cell .content-editable").nth(2);
  await cell.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type('"very low"');
  await page.locator("#modeler-status", { hasText: "有未部署的修改" }).waitFor();
  await page.locator("[data-act=deploy]").click();
  await page.fill("#deploy-comment", "低风险改名");
  await page.locator("#deploy button[type=submit]").click();
  await page.waitForURL("**/processes/definitions/food-risk?version=2");
  await page.fill("[name=\"input.data.premises_area\"]", "20");
  await press(page, page.locator('form[action*="/try"] button'));
  assert.match(await page.locator("main").innerText(), /very low/);
  assert.equal(await page.locator("tr.tb-fired th").innerText(), "3 \n符合");
  await look(page, "decision-tried");
  assert.deepEqual(complaints, []);
});

for (const language of ["zh-CN", "en"]) {
  for (const [screen, size] of Object.entries({ desktop, phone })) {
    test(`pages of processes are readable and accessible: ${language}, ${screen}`, async (t) => {
      const { page, complaints } = await open(t, "steward", { size, language });
      for (const [name, path] of [
        ["processes", "/processes"],
        ["process", "/processes/definitions/food-licence"],
        ["process-instances", "/processes/instances?q=none"],
        ["process-incidents", "/processes/incidents"],
        ["process-messages", "/processes/messages"],
        ["process-upload", "/processes/upload"],
        ["decision", "/processes/definitions/food-risk"],
        ["modeler", "/processes/definitions/food-licence/edit"],
        ["decision-modeler", "/processes/definitions/food-risk/edit"],
        ["decision-blank", "/processes/new?kind=dmn"],
      ]) {
        await page.goto(path);
        if (/modeler|blank|^process$/.test(name)) await drawn(page);
        await look(page, name);
      }
      assert.deepEqual(complaints, []);
    });
  }
}

test("without script the figures are a table and a file can be deployed", async (t) => {
  const { page } = await open(t, "steward", { script: false });
  await page.goto("/processes/definitions/food-licence");
  assert.ok((await page.locator("#steps tbody tr").count()) > 5);
  await page.goto("/processes/new");
  assert.match(await page.locator("noscript").innerText(), /上传/);
  await page.goto("/processes/upload");
  await page.setInputFiles("#file", { name: "leave.bpmn", mimeType: "application/xml", buffer: Buffer.from(foreign) });
  await page.fill("#key", "leave");
  await press(page, page.locator('button[value="check"]'));
  assert.match(await page.locator("main").innerText(), /taskListener/);
  await page.setInputFiles("#file", { name: "leave.bpmn", mimeType: "application/xml", buffer: Buffer.from(foreign) });
  await press(page, page.locator('button[value="deploy"]'));
  assert.equal(new URL(page.url()).pathname, "/processes/definitions/leave");
});
