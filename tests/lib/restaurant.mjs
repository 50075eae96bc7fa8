// The restaurant as a program lives it: every step through the JSON doors, none through a page.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { signedIn } from "./server.mjs";

/** Answers that call for four departments and a check on site. */
export const everything = {
  business_licence: "yes",
  area: "assembly",
  signboard: "yes",
  tobacco: "yes",
  high_risk: "yes",
};

/** A PDF of one empty page: what a scanner would send. */
export const paper = Buffer.from(
  "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
);

/** What the government cannot know. */
const values = {
  shop_name: "合成好味道",
  contact_phone: "19900000000",
  premises_area: 260,
  delivery: "online",
  business_form: "catering",
  food_items: ["hot", "cold"],
  staff_count: 8,
  safety_manager: "合成·安全员",
  sign_width: 400,
  sign_height: 100,
  sign_position: "lintel",
  sign_promise: true,
  fire_floor: 1,
  exits: 2,
  fire_manager: "合成·消防员",
  fire_promise: true,
  school_distance: 300,
  premises_right_kind: "rent",
};

/** Lets the citizen act for her firm from now on. */
export async function actForFirm(citizen) {
  const parties = await citizen("GET", "/api/identity/acting");
  const firm = parties.find((party) => party.kind === "legal");
  await citizen("PUT", "/api/identity/acting", { party: firm.id });
  return firm;
}

/** Names of the questions that want files and have none yet. */
export function unanswered({ form, values }) {
  const wantsFiles = (question) => question.type === "array" && !question.items?.oneOf;
  const names = form.required.filter((name) => wantsFiles(form.properties[name]));
  return names.filter((name) => !values[name]?.length);
}

/** Hands in one file at a question of a draft. */
export async function upload(citizen, draft, field, { content = paper, name = "材料.pdf" } = {}) {
  const body = new FormData();
  body.append("file", new Blob([content]), name);
  return citizen("POST", `/api/forms/files?draft=${draft}&field=${field}`, body);
}

/** A draft with everything in it, ready to be handed in. */
export async function filledDraft(citizen, answers = everything) {
  const begun = await citizen("POST", "/api/service/drafts", { subject: "theme:open-restaurant", answers });
  const asked = Object.entries(values).filter(([name]) => name in begun.form.properties);
  const all = { ...begun.values, ...Object.fromEntries(asked) };
  await citizen("PUT", `/api/service/drafts/${begun.id}`, { version: begun.version, values: all });
  for (const field of unanswered(begun)) await upload(citizen, begun.id, field);
  return begun.id;
}

/** Who does the work of a department, by its code. */
const departments = {
  "11321000990000033R": "food",
  "11321000990000041L": "urban",
  "1132100099000005XC": "fire",
  "11321000990000068C": "tobacco",
};

/** Clients of everybody who works on a restaurant. */
export async function officers(city) {
  const names = ["clerk", ...Object.values(departments).flatMap((name) => [name, `${name}-chief`])];
  const made = names.map(async (name) => [name, await signedIn(city, name)]);
  return Object.fromEntries(await Promise.all(made));
}

/** What an officer answers to a task. */
function said(task) {
  const done = { outcome: task.outcomes[0], opinion: "符合要求" };
  if (task.act === "check") done.officers = ["合成·核查员甲", "合成·核查员乙"];
  if (task.act === "deliver") done.receiver = "合成·张一";
  return done;
}

/** The open tasks of a case, as an officer of its family sees them. */
export async function tasksOf(officer, id) {
  return (await officer("GET", `/api/service/cases/${id}`)).tasks;
}

/** An officer completes a task with its usual outcome. */
export async function complete(officer, { id }) {
  const task = await officer("GET", `/api/service/tasks/${id}`);
  return officer("POST", `/api/service/tasks/${id}/complete`, said(task));
}

/** The clerk takes the case in. */
export async function accept(staff, id) {
  const [task] = await tasksOf(staff.clerk, id);
  assert.equal(task.act, "accept");
  await staff.clerk("POST", `/api/service/tasks/${task.id}/claim`);
  return complete(staff.clerk, task);
}

/** A department does everything that its part of a case asks for; answers the acts, in order. */
export async function handle(staff, part) {
  const name = departments[part.org];
  const acts = [];
  for (;;) {
    const [task] = await tasksOf(staff[name], part.id);
    if (!task) return acts;
    await complete(staff[task.act === "decide" ? `${name}-chief` : name], task);
    acts.push(task.act);
  }
}

/** Asks again and again until there is an answer; events and jobs take a moment. */
export async function until(what, ask, seconds = 30) {
  for (let left = seconds * 5; left > 0; left -= 1) {
    const answer = await ask();
    if (answer) return answer;
    await pause(200);
  }
  return assert.fail(`waited in vain for ${what}`);
}
