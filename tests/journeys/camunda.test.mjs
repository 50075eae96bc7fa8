// The published worker client of Camunda 7, unchanged, and plain scripts in its language against
// the server: deploy, start, complete, fail and retry, throw, extend, share.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { BasicAuthInterceptor, Client, Variables } from "camunda-external-task-client-js";
import { demo, program } from "../lib/house.mjs";

const model = `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="https://tongban.dev/test">
  <error id="none" errorCode="no-cover"/>
  <process id="order" name="订单" isExecutable="true">
    <startEvent id="s"/>
    <serviceTask id="pay" name="付款" camunda:type="external" camunda:topic="\${topic}"/>
    <boundaryEvent id="b" attachedToRef="pay"><errorEventDefinition errorRef="none"/></boundaryEvent>
    <endEvent id="paid"/><endEvent id="refused"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="pay"/>
    <sequenceFlow id="f2" sourceRef="pay" targetRef="paid"/>
    <sequenceFlow id="f3" sourceRef="b" targetRef="refused"/>
  </process>
</definitions>`;

let house;
let rest;
let token;
before(async () => {
  house = await demo();
  rest = `${house.address}/engine-rest`;
  const env = {
    ...process.env,
    TONGBAN_DATA__DIR: house.data,
    TONGBAN_DATABASE__URL: `sqlite://${house.data}/tongban.db`,
  };
  const create = (user) =>
    execFileSync(program, ["token", "create", "--user", user], { env, encoding: "utf8" }).trim();
  token = create("operator");
  await deploy(create("steward"));
});
after(() => house?.stop());

const basic = () => `Basic ${Buffer.from(`operator:${token}`).toString("base64")}`;

async function call(path, body, method = body === undefined ? "GET" : "POST") {
  const answer = await fetch(`${rest}${path}`, {
    method,
    headers: { authorization: basic(), "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

async function deploy(token) {
  const form = new FormData();
  form.set("deployment-name", "orders");
  form.set("order.bpmn", new Blob([model], { type: "application/octet-stream" }), "order.bpmn");
  const answer = await fetch(`${rest}/deployment/create`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: form,
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Every use has a topic of its own: a stopped client may still fetch what it asked for before. */
async function start(topic, variables = {}) {
  const typed = Object.fromEntries(Object.entries({ topic, ...variables }).map(([name, value]) => [name, { value }]));
  return (await call("/process-definition/key/order/start", { variables: typed })).id;
}

/** Until the answer of `look` is truthy. */
async function until(look, what) {
  for (let n = 0; n < 100; n += 1) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`not in ten seconds: ${what}`);
}

const past = (id) => call(`/history/process-instance/${id}`);
const ended = (id) => until(async () => (await past(id)).state === "COMPLETED", `${id} ends`);

/** A worker whose every complaint is kept. */
function worker(t, workerId, options = {}) {
  const interceptors = new BasicAuthInterceptor({ username: "operator", password: token });
  const client = new Client({
    baseUrl: rest,
    workerId,
    interceptors,
    interval: 50,
    asyncResponseTimeout: 2000,
    maxTasks: 2,
    lockDuration: 20000,
    ...options,
  });
  const complaints = [];
  for (const event of ["poll", "complete", "handleFailure", "handleBpmnError", "extendLock"]) {
    client.on(`${event}:error`, (...args) => complaints.push(`${event}: ${args.at(-1).message}`));
  }
  t.after(() => client.stop());
  return { client, complaints };
}

test("a worker gets typed variables and completes", async (t) => {
  const { client, complaints } = worker(t, "w1");
  let seen;
  client.subscribe("complete", async ({ task, taskService }) => {
    seen = task.variables.getAll();
    const answer = new Variables().set("receipt", { number: 9 }).set("when", new Date(0)).set("sum", 12.5);
    await taskService.complete(task, answer);
  });
  const id = await start("complete", { amount: 7, name: "张三", urgent: true });
  await ended(id);
  assert.deepEqual({ amount: seen.amount, name: seen.name, urgent: seen.urgent }, { amount: 7, name: "张三", urgent: true });
  const { receipt, sum, when } = await call(`/process-instance/${id}/variables`);
  assert.deepEqual(JSON.parse(receipt.value), { number: 9 });
  assert.equal(sum.value, 12.5);
  assert.equal(new Date(when.value).getTime(), 0);
  assert.deepEqual(complaints, []);
});

test("a failing task is tried again, becomes an incident, and is retried", async (t) => {
  const id = await start("failure");
  let tries = 0;
  const { client, complaints } = worker(t, "w2");
  client.subscribe("failure", async ({ task, taskService }) => {
    tries += 1;
    if (tries > 2) return taskService.complete(task);
    const retries = task.retries == null ? 1 : task.retries - 1;
    return taskService.handleFailure(task, {
      errorMessage: "the bank does not answer",
      errorDetails: "at line 1",
      retries,
      retryTimeout: 200,
    });
  });
  const [incident] = await until(async () => {
    const found = await call(`/incident?processInstanceId=${id}`);
    return found.length > 0 && found;
  }, "an incident");
  assert.equal(tries, 2);
  assert.match(incident.incidentMessage, /the bank does not answer/);
  assert.deepEqual([incident.incidentType, incident.activityId], ["failedExternalTask", "pay"]);
  assert.deepEqual(await call(`/incident/count?processInstanceId=${id}`), { count: 1 });
  const [failed] = await call(`/external-task?processInstanceId=${id}`);
  assert.equal(failed.retries, 0);
  assert.equal(incident.configuration, failed.id);
  await call(`/external-task/${failed.id}/retries`, { retries: 1 }, "PUT");
  await ended(id);
  assert.deepEqual(complaints, []);
});

test("a business error goes the way of its border", async (t) => {
  const { client, complaints } = worker(t, "w3");
  client.subscribe("error", ({ task, taskService }) =>
    taskService.handleBpmnError(task, "no-cover", "empty", new Variables().set("balance", 0)),
  );
  const id = await start("error");
  await ended(id);
  const steps = await call(`/history/activity-instance?processInstanceId=${id}`);
  assert.ok(steps.some((step) => step.activityId === "refused"));
  assert.ok(!steps.some((step) => step.activityId === "paid"));
  assert.equal((await call(`/process-instance/${id}/variables`)).balance.value, 0);
  assert.deepEqual(complaints, []);
});

test("a lock can be extended, and without it is lost", async (t) => {
  const extending = worker(t, "slow", { lockDuration: 800 });
  extending.client.subscribe("lock", async ({ task, taskService }) => {
    await taskService.extendLock(task, 20000);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await taskService.complete(task);
  });
  const id = await start("lock");
  await ended(id);
  extending.client.stop();
  assert.deepEqual(extending.complaints, []);

  const other = await start("late");
  const [task] = await call("/external-task/fetchAndLock", {
    workerId: "late",
    maxTasks: 1,
    topics: [{ topicName: "late", lockDuration: 100 }],
  });
  assert.equal(task.processInstanceId, other);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const refused = await fetch(`${rest}/external-task/${task.id}/complete`, {
    method: "POST",
    headers: { authorization: basic(), "content-type": "application/json" },
    body: JSON.stringify({ workerId: "late" }),
  });
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).type, "BadUserRequestException");
  const finishing = worker(t, "next");
  finishing.client.subscribe("late", ({ task, taskService }) => taskService.complete(task));
  await ended(other);
});

test("two workers share the load and nothing is done twice", async (t) => {
  const done = new Map();
  const workers = ["left", "right"].map((name) => {
    const made = worker(t, name);
    made.client.subscribe("share", async ({ task, taskService }) => {
      done.set(task.id, [...(done.get(task.id) ?? []), name]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await taskService.complete(task);
    });
    return made;
  });
  const ids = await Promise.all(Array.from({ length: 40 }, () => start("share")));
  for (const id of ids) await ended(id);
  assert.equal(done.size, 40);
  assert.ok([...done.values()].every((names) => names.length === 1));
  const names = new Set([...done.values()].flat());
  assert.deepEqual([...names].sort(), ["left", "right"]);
  for (const { complaints } of workers) assert.deepEqual(complaints, []);
});

test("a worker that names the engine works all the same", async (t) => {
  const { client, complaints } = worker(t, "named", { baseUrl: `${rest}/engine/default` });
  client.subscribe("named", async ({ task, taskService }) => taskService.complete(task));
  const id = await start("named");
  await ended(id);
  assert.deepEqual(complaints, []);
  const headers = { authorization: basic(), "accept-language": "en" };
  const other = await fetch(`${rest}/engine/other/task/count`, { headers });
  assert.equal(other.status, 400);
  assert.match((await other.json()).message, /No process engine available/);
});

test("an operator's script counts, sets right and looks back", async () => {
  const id = await start("unheard", { amount: 7 });
  const here = `processInstanceId=${id}`;
  assert.deepEqual(await call(`/external-task/count?${here}`), { count: 1 });
  await call(`/process-instance/${id}/variables/amount`, { value: 9, type: "Integer" }, "PUT");
  await call(`/process-instance/${id}/variables`, { modifications: { checked: { value: true } } });
  assert.equal((await call(`/process-instance/${id}/variables/amount`)).value, 9);
  await call(`/process-instance/${id}`, undefined, "DELETE");
  const kept = await call(`/history/variable-instance?${here}&sortBy=variableName&sortOrder=asc`);
  assert.deepEqual(kept.map(({ name, value }) => [name, value]), [["amount", 9], ["checked", true], ["topic", "unheard"]]);
  assert.deepEqual(await call(`/history/task/count?${here}`), { count: 0 });
  assert.deepEqual(await call("/signal", { name: "nobody waits" }), null);
});
