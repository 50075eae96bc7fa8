// One restaurant from the first answer to the rating, by a script that never sees a page.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { client, command, signedIn, start } from "../lib/server.mjs";
import { accept, actForFirm, complete, everything, filledDraft, handle, officers, paper, tasksOf, unanswered, until, upload } from "../lib/restaurant.mjs";

let city;
let citizen;
let staff;
let firm;
before(async () => {
  city = await start();
  citizen = await signedIn(city, "zhang");
  staff = await officers(city);
  firm = await actForFirm(citizen);
});
after(() => city?.stop());

/** The refusal that a request meets. */
async function refusal(request) {
  const error = await request.then(
    (answer) => assert.fail(`was not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.match(error.type ?? "", /application\/problem\+json/, error.stack);
  return error;
}

test("a script lives a whole case", async () => {
  const themes = await citizen("GET", "/api/service/themes");
  const theme = themes.find((one) => one.id === "open-restaurant");
  for (const question of theme.questions) assert.ok(question.values.includes(everything[question.key]), question.key);

  const id = await filledDraft(citizen);
  await citizen("POST", `/api/forms/drafts/${id}/check`);
  const receipt = await citizen("POST", `/api/service/drafts/${id}/submit`);
  assert.deepEqual(await citizen("POST", `/api/service/drafts/${id}/submit`), receipt, "handed in twice is one case");

  const mine = await citizen("GET", `/api/service/cases/${receipt.case}`);
  assert.deepEqual([mine.number, mine.state, mine.applicant], [receipt.number, "submitted", firm.name]);
  const waiting = await staff.clerk("GET", "/api/service/tasks?whose=groups&limit=100");
  assert.ok(waiting.items.some((task) => task.case === receipt.case), "it waits at the window");
  const [material] = mine.materials.filter((one) => one.files.length > 0);
  const seen = await staff.food("GET", `/api/forms/files/${material.files[0].id}`);
  assert.ok(Buffer.from(seen).equals(paper), "the departments read what was handed in");
  const accepted = await accept(staff, receipt.case);
  assert.equal(accepted.state, "accepted");

  const { parts } = await staff.clerk("GET", `/api/service/cases/${receipt.case}`);
  assert.equal(parts.length, 4);
  assert.deepEqual(new Set(parts.map((part) => part.state)), new Set(["accepted"]), "all four work at once");
  const done = await Promise.all(parts.map((part) => handle(staff, part)));
  const food = parts.findIndex((part) => part.matter_name.includes("食品"));
  assert.deepEqual(done[food], ["examine", "check", "decide"], "risky food is looked at on site");

  const [task] = await tasksOf(staff.clerk, receipt.case);
  assert.equal(task.act, "deliver");
  await complete(staff.clerk, task);
  const review = { satisfaction: 5, details: [513], text: "很快", service: 2 };
  const rated = await citizen("POST", `/api/service/cases/${receipt.case}/reviews`, review);
  assert.equal(rated.is_valid, true);
  await theEnd(receipt);
});

/** What everybody sees of the case afterwards. */
async function theEnd(receipt) {
  const stranger = client(city.address);
  const progress = await stranger("POST", "/api/service/progress", { number: receipt.number, password: receipt.password });
  assert.equal(progress.state, "closed");
  const wrong = { number: receipt.number, password: receipt.password === "000000" ? "000001" : "000000" };
  assert.equal((await refusal(stranger("POST", "/api/service/progress", wrong))).status, 422);

  const whole = await citizen("GET", `/api/service/cases/${receipt.case}`);
  assert.equal(whole.outcome, "approved");
  const events = whole.timeline.map((entry) => entry.event);
  for (const event of ["submitted", "accepted", "approved", "closed", "delivered"]) assert.ok(events.includes(event), event);
  const wallet = await citizen("GET", "/api/credential/certificates");
  const granted = whole.parts.map((part) => wallet.items.find((one) => one.id === part.certificate));
  assert.equal(granted.filter(Boolean).length, 4, "four certificates in the wallet");
  for (const { zzbs } of granted) {
    const said = await stranger("GET", `/api/credential/verify/${zzbs}`);
    assert.deepEqual([said.verdict, said.zzbs], ["valid", zzbs]);
  }
  const [licence] = granted;
  const file = await until("the typeset licence", () =>
    citizen("GET", `/api/credential/certificates/${licence.id}/file`).catch((error) => {
      assert.ok([404, 409, 503].includes(error.status), error.message);
    }),
  );
  assert.equal(Buffer.from(file).subarray(0, 5).toString(), "%PDF-");
  const log = JSON.parse(await command(city, "audit", "verify", "--json"));
  assert.equal(log.problem, null, "history is whole");
}

test("a certificate stands in for a file, and can be taken away again", async () => {
  const draft = await citizen("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers: everything });
  const [{ certificate }] = draft.values.business_licence;
  const door = `/api/service/drafts/${draft.id}/questions/business_licence/certificates/${certificate}`;
  const without = await citizen("DELETE", door);
  assert.deepEqual(without.values.business_licence ?? [], []);
  assert.ok((await refusal(citizen("POST", `/api/forms/drafts/${draft.id}/check`))).body.errors.length > 0);
  const again = await citizen("PUT", door);
  assert.equal(again.values.business_licence[0].certificate, certificate);
  const twice = await citizen("PUT", door);
  assert.equal(twice.values.business_licence.length, 1, "twice is once");
  const foreign = door.replace(/\.\d{3}\.\w$/, ".999.X");
  assert.equal((await refusal(citizen("PUT", foreign))).status, 422, "only what one holds");
  await citizen("DELETE", `/api/forms/drafts/${draft.id}`);
});

test("a file that is none changes nothing", async () => {
  const draft = await citizen("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers: everything });
  const [field] = unanswered(draft);
  const wrong = [
    ["empty", { content: Buffer.alloc(0) }],
    ["another type behind the name", { content: Buffer.from("MZ\x90\x00 this is a program") }],
    ["a page behind the name", { content: Buffer.from("<html><script>alert(1)</script></html>") }],
    ["a type that is not asked for", { name: "材料.exe", content: Buffer.from("MZ\x90\x00") }],
    ["too big", { content: Buffer.concat([Buffer.from("%PDF-1.4\n"), Buffer.alloc(64 << 20, "x")]) }],
  ];
  for (const [what, file] of wrong) {
    const error = await refusal(upload(citizen, draft.id, field, file));
    assert.ok([413, 422].includes(error.status), `${what}: ${error.message}`);
    if (error.status === 422) assert.equal(error.body.errors[0].field, field, what);
  }
  const untouched = await citizen("GET", `/api/service/drafts/${draft.id}`);
  assert.equal(untouched.version, draft.version);

  // Names are for people; nothing in them reaches a path or a header as it is.
  for (const name of ["../../etc/passwd.pdf", "C:\\windows\\a.pdf", "a\r\nX-Evil: 1.pdf", "a\u202Efdp.exe.pdf"]) {
    const { file } = await upload(citizen, draft.id, field, { name });
    assert.doesNotMatch(file.name, /[\u0000-\u001f\u202e/\\]/, name);
    assert.match(file.name, /\.pdf$/);
    await citizen("DELETE", `/api/forms/files/${file.id}`);
  }
  const before = await citizen("GET", `/api/service/drafts/${draft.id}`);
  const refused = await refusal(upload(citizen, draft.id, field, { name: "a\u0000\u0007.pdf" }));
  assert.equal(refused.status, 422, "control characters are no header of a request");
  assert.equal((await citizen("GET", `/api/service/drafts/${draft.id}`)).version, before.version);
  await citizen("DELETE", `/api/forms/drafts/${draft.id}`);
});

test("a substitute decides in the absent officer's place, and no longer", async () => {
  const id = await filledDraft(citizen);
  const receipt = await citizen("POST", `/api/service/drafts/${id}/submit`);
  await accept(staff, receipt.case);
  const { parts } = await staff.clerk("GET", `/api/service/cases/${receipt.case}`);
  const part = parts.find((one) => one.matter_name.includes("食品"));
  for (const act of ["examine", "check"]) {
    const [task] = await tasksOf(staff.food, part.id);
    assert.equal(task.act, act);
    await complete(staff.food, task);
  }
  const [decide] = await tasksOf(staff["food-chief"], part.id);
  const substitute = await signedIn(city, "city-police-examiner");
  const isHidden = async () => [403, 404].includes((await refusal(substitute("GET", `/api/service/cases/${part.id}`))).status);
  assert.ok(await isHidden(), "it is another department's");

  const today = new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 10);
  const { user } = await substitute("GET", "/api/identity/me");
  const days = { substitute: user, from: today, until: today, reason: "出差（合成）" };
  const { id: standing } = await staff["food-chief"]("POST", "/api/workflow/substitutes", days);
  const waiting = await substitute("GET", "/api/service/tasks?whose=groups&limit=100");
  assert.ok(waiting.items.some((task) => task.id === decide.id), "it is on the substitute's list");
  const page = Buffer.from(await substitute("GET", `/work/cases/${part.id}`)).toString();
  assert.ok(page.includes(part.number), "the page of the case opens");
  await complete(substitute, decide);
  const { timeline } = await staff.food("GET", `/api/service/cases/${part.id}`);
  const decided = timeline.findLast((entry) => entry.event === "approved");
  assert.ok(decided, JSON.stringify(timeline));

  await substitute("POST", `/api/workflow/substitutes/${standing}/end`);
  assert.ok(await isHidden(), "it is over");
});
