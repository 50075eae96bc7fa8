// What was acknowledged is there, once, whatever breaks: the process killed, the disk full, the
// database gone, two hands on one thing.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { command, Refused, signedIn, start } from "../lib/server.mjs";
import { postgres } from "../lib/postgres.mjs";
import { accept, actForFirm, complete, filledDraft, handle, officers, tasksOf, until, upload } from "../lib/restaurant.mjs";

/** How often the process is killed. */
const KILLS = Number(process.env.TONGBAN_KILLS ?? 5);
/** The restaurant that needs the fewest departments: food and signboard. */
const small = { business_licence: "yes", area: "small", signboard: "yes", tobacco: "no", high_risk: "no" };

/** Everybody's clients, for a city that may move to another port. */
async function people(city) {
  const citizen = await signedIn(city, "zhang");
  await actForFirm(citizen);
  return { citizen, staff: await officers(city) };
}

/** Whether an error is the connection's and not an answer. */
const isCut = (error) => error instanceof TypeError || error?.name === "SocketError";

/** All cases of the citizen, by number. */
async function cases(citizen) {
  const all = new Map();
  let after = "";
  do {
    const page = await citizen("GET", `/api/service/cases?limit=100&after=${encodeURIComponent(after)}`);
    for (const one of page.items) all.set(one.number, one);
    after = page.next;
  } while (after);
  return all;
}

/** Fails unless every event is in the sealed log, and the log is whole. */
async function historyIsWhole(city) {
  await until("everything to be sealed", async () => {
    const report = JSON.parse(await command(city, "audit", "verify", "--json"));
    assert.equal(report.problem, null);
    return report.unsealed === 0 && report.events > 0;
  });
}

/** What a caller was told, by which a case is known again after a crash. */
class Memory {
  drafts = new Set();
  receipts = new Map();
  accepted = new Map();
  handled = new Map();
}

/** Applies and decides without end; notes what was acknowledged, as soon as it was. */
async function live({ citizen, staff }, memory) {
  for (;;) {
    const draft = await filledDraft(citizen, small);
    memory.drafts.add(draft);
    const receipt = await citizen("POST", `/api/service/drafts/${draft}/submit`);
    memory.receipts.set(draft, receipt);
    await accept(staff, receipt.case);
    memory.accepted.set(draft, receipt);
    const { parts } = await staff.clerk("GET", `/api/service/cases/${receipt.case}`);
    for (const part of parts) {
      await handle(staff, part);
      memory.handled.set(part.id, receipt);
    }
  }
}

/** Checks everything that was acknowledged; hands in what was not, as an applicant would. */
async function check({ citizen, staff }, memory) {
  for (const draft of memory.drafts) {
    const receipt = await citizen("POST", `/api/service/drafts/${draft}/submit`);
    const known = memory.receipts.get(draft);
    if (known) assert.deepEqual(receipt, known, "the same case, the same number, the same password");
    memory.receipts.set(draft, receipt);
    const whole = await staff.clerk("GET", `/api/service/cases/${receipt.case}`);
    const count = (name) => whole.timeline.filter((entry) => entry.event === name).length;
    assert.equal(count("submitted"), 1);
    assert.ok(whole.materials.some((material) => material.files.length > 0), "with its files");
    if (memory.accepted.has(draft)) assert.equal(count("accepted"), 1, "what was accepted is accepted, once");
    assert.ok([0, 2].includes(whole.parts.length), "all sub-cases or none");
    assert.equal(count("accepted"), whole.parts.length / 2, "accepted together with its sub-cases");
    for (const part of whole.parts) {
      if (memory.handled.has(part.id)) assert.deepEqual([part.state, part.outcome], ["closed", "approved"]);
      assert.equal(part.state === "closed", Boolean(part.certificate), "decided together with its certificate");
    }
  }
}

test("killed at any instant, it keeps what it acknowledged, once", { timeout: 900_000 }, async (t) => {
  const data = mkdtempSync(join(tmpdir(), "tongban-kill-"));
  let city = await start({ data });
  t.after(async () => {
    await city.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const port = new URL(city.address).port;
  const all = await people(city);
  const before = await cases(all.citizen);
  const memory = new Memory();
  for (let round = 0; round < KILLS; round += 1) {
    const callers = Array.from({ length: 3 }, () => live(all, memory).catch((error) => error));
    await pause(500 + Math.random() * 4000);
    await city.kill();
    for (const error of await Promise.all(callers)) assert.ok(isCut(error), error.stack);
    city = await start({ data, port });
    await check(all, memory);
    await historyIsWhole(city);
  }
  const made = (await cases(all.citizen)).size - before.size;
  assert.equal(made, memory.drafts.size, "one case of each draft");
  t.diagnostic(`${KILLS} kills; ${memory.drafts.size} drafts, ${memory.accepted.size} cases and ${memory.handled.size} parts acknowledged`);
  // What lay half way goes on to its end.
  for (const { case: id } of memory.receipts.values()) {
    if ((await tasksOf(all.staff.clerk, id))[0]?.act === "accept") await accept(all.staff, id);
    const { parts } = await all.staff.clerk("GET", `/api/service/cases/${id}`);
    for (const part of parts) await handle(all.staff, part);
    const whole = await all.citizen("GET", `/api/service/cases/${id}`);
    assert.deepEqual([whole.state, whole.outcome], ["closed", "approved"]);
  }
});

let city;
let all;
before(async () => {
  city = await start();
  all = await people(city);
});
after(() => city?.stop());

test("a draft handed in many times at once is one case", async () => {
  const before = await cases(all.citizen);
  const draft = await filledDraft(all.citizen, small);
  const hands = Array.from({ length: 8 }, () => all.citizen("POST", `/api/service/drafts/${draft}/submit`));
  const receipts = await Promise.all(hands);
  for (const receipt of receipts) assert.deepEqual(receipt, receipts[0]);
  assert.equal((await cases(all.citizen)).size, before.size + 1);
});

test("of two officers on one task one wins, and the other is told", async () => {
  const draft = await filledDraft(all.citizen, small);
  const receipt = await all.citizen("POST", `/api/service/drafts/${draft}/submit`);
  const [task] = await tasksOf(all.staff.clerk, receipt.case);
  const second = await signedIn(city, "clerk2");
  const hands = [all.staff.clerk, second].map((officer) => complete(officer, task));
  const outcomes = await Promise.allSettled(hands);
  const lost = outcomes.filter((one) => one.status === "rejected").map((one) => one.reason);
  assert.equal(lost.length, 1, "one of them");
  assert.equal(lost[0].status, 409);
  assert.match(lost[0].type, /problem\+json/);
  const whole = await all.staff.clerk("GET", `/api/service/cases/${receipt.case}`);
  assert.equal(whole.timeline.filter((entry) => entry.event === "accepted").length, 1);
  assert.equal(whole.parts.length, 2);
});

/** A small disk of its own, as a folder; undefined where none can be mounted. */
function smallDisk(megabytes) {
  const folder = mkdtempSync(join(tmpdir(), "tongban-disk-"));
  const remove = () => {
    execFileSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true });
  };
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], { stdio: "ignore" });
    return { folder, remove };
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

/** Fills a disk to the last byte; answers the file that has to go. */
function fillUp(folder) {
  const path = join(folder, "filler");
  const file = openSync(path, "w");
  for (let size = 1 << 20; size > 0; size >>= 1) {
    const block = Buffer.alloc(size);
    try {
      for (;;) if (writeSync(file, block) < size) break;
    } catch (error) {
      assert.equal(error.code, "ENOSPC");
    }
  }
  closeSync(file);
  return path;
}

/** That a request was told to come back, in words. */
function isPutOff(error) {
  assert.ok(error instanceof Refused, error?.stack ?? `went through: ${JSON.stringify(error)}`);
  assert.ok([503, 507].includes(error.status), error.message);
  assert.match(error.type, /problem\+json/);
  assert.ok(error.body.title && error.body.detail, error.message);
}

test("a full disk is said, costs nothing, and is forgotten when there is room", { timeout: 300_000 }, async (t) => {
  const disk = smallDisk(160);
  if (!disk) return t.skip("mounting a small disk needs root");
  let city;
  t.after(async () => {
    await city?.stop();
    disk.remove();
  });
  city = await start({ data: disk.folder });
  const { citizen, staff } = await people(city);
  const ready = await filledDraft(citizen, small);
  const open = await citizen("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers: small });
  const before = await cases(citizen);
  const filler = fillUp(disk.folder);

  const big = { content: Buffer.concat([Buffer.from("%PDF-1.4\n"), Buffer.alloc(4 << 20, "x")]) };
  isPutOff(await upload(citizen, open.id, "layout", big).catch((error) => error));
  // Small writes may still find room in pages that the database and its log have, some megabytes;
  // it must come to an end.
  const begin = () => citizen("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers: small }).then(() => undefined, (error) => error);
  let refused;
  for (let i = 0; i < 500 && !refused; i += 1) {
    refused = (await Promise.all(Array.from({ length: 8 }, begin))).find((error) => error);
  }
  isPutOff(refused);
  isPutOff(await citizen("POST", `/api/service/drafts/${ready}/submit`).catch((error) => error));
  assert.equal((await cases(citizen)).size, before.size, "reading goes on, and no case was made");
  const untouched = await citizen("GET", `/api/service/drafts/${open.id}`);
  assert.equal(untouched.version, open.version);

  rmSync(filler);
  const receipt = await until("room to be noticed", () => citizen("POST", `/api/service/drafts/${ready}/submit`).catch((error) => void isPutOff(error)));
  assert.equal((await cases(citizen)).size, before.size + 1);
  await upload(citizen, open.id, "layout", big);
  await accept(staff, receipt.case);
  await historyIsWhole(city);
});

test("without its database it says so, and goes on by itself", { timeout: 600_000 }, async (t) => {
  const server = await postgres();
  let city;
  t.after(async () => {
    await city?.stop();
    server.remove();
  });
  city = await start({ database: server.url });
  const all = await people(city);
  const before = await cases(all.citizen);
  const memory = new Memory();
  const ready = async () => (await fetch(`${city.address}/readyz`)).status;
  assert.equal(await ready(), 200);

  const callers = Array.from({ length: 3 }, () => live(all, memory).catch((error) => error));
  await pause(1500);
  server.stop();
  for (const error of await Promise.all(callers)) isPutOff(error);
  assert.equal(await ready(), 503);
  isPutOff(await all.citizen("GET", "/api/service/cases").catch((error) => error));
  assert.equal((await fetch(`${city.address}/healthz`)).status, 200, "it lives, it is not ready");

  server.start();
  await until("the database to be found again", async () => (await ready()) === 200);
  await check(all, memory);
  assert.equal((await cases(all.citizen)).size - before.size, memory.drafts.size, "one case of each draft");
  await historyIsWhole(city);
});
