// Every route as every role, compared with the checked-in table `access.txt`. A new route or a
// changed policy shows as a changed line; UPDATE=1 writes the table anew, for a reviewer to read.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { demo, program, root } from "../lib/house.mjs";

const table = new URL("access.txt", import.meta.url).pathname;
const users = ["zhang", "clerk", "food", "food-chief", "supervisor", "steward", "operator", "security", "auditor"];
/** An empty form: who is let in is told what is missing. */
const form = { body: "", headers: { "content-type": "application/x-www-form-urlencoded" } };
const nobody = "00000000-0000-7000-8000-000000000000";

const isForPrograms = (path) => path.startsWith("/api/") || path.startsWith("/engine-rest/");
/**
 * A body that a door can read, so that the act behind it is reached and asks the policy: the
 * example of the OpenAPI document, else one built from the schema.
 */
function bodyOf(document, operation) {
  const content = operation?.requestBody?.content ?? {};
  const described = content["application/json"];
  // A door for files refuses at its head; a body that it does not read would break the connection.
  if (!described) return { body: "{}", headers: { "content-type": "application/json" } };
  const example = described.example ?? Object.values(described.examples ?? {})[0]?.value;
  const value = example ?? sample(document, described.schema);
  return { body: JSON.stringify(value), headers: { "content-type": "application/json" } };
}

/** A value that fits a schema. */
function sample(document, schema, depth = 0) {
  if (!schema || depth > 6) return {};
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.$ref) return sample(document, document.components.schemas[schema.$ref.split("/").pop()], depth + 1);
  if (schema.enum) return schema.enum[0];
  const choice = (schema.oneOf ?? schema.anyOf)?.find((one) => one.type !== "null");
  if (choice) return sample(document, choice, depth + 1);
  const types = [schema.type].flat();
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => sample(document, one, depth + 1)));
  if (types.includes("array")) return [];
  if (types.includes("integer") || types.includes("number")) return 1;
  if (types.includes("boolean")) return false;
  if (types.includes("string")) return schema.format === "date" ? "2026-03-02" : schema.format === "uuid" ? nobody : "x";
  const required = new Set(schema.required ?? Object.keys(schema.properties ?? {}));
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => required.has(name));
  return Object.fromEntries(fields.map(([name, field]) => [name, sample(document, field, depth + 1)]));
}

/** Routes of pages as the sources register them; those of programs are in the OpenAPI document. */
function pages() {
  const found = new Set();
  const walk = (folder) => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      // Servers of tests and examples are no doors of the product.
      if (statSync(path).isDirectory()) ["tests", "examples"].includes(name) || walk(path);
      else if (name.endsWith(".rs")) collect(readFileSync(path, "utf8"), path);
    }
  };
  const collect = (text, path) => {
    assert.doesNotMatch(text, /\.route\(\s*[^"\s]/, `${path}: a route is written out, so that this table knows it`);
    for (const [, path, rest] of text.matchAll(/\.route\(\s*"([^"]+)",([^;]*?)\)\s*(?=\.(?!(?:get|post|put|delete)\()|;|\n\s*\})/g)) {
      for (const method of ["get", "post", "put", "delete"]) {
        if (new RegExp(`\\b${method}\\(`).test(rest)) found.add(`${method.toUpperCase()} ${path}`);
      }
    }
  };
  for (const floor of ["base/web/src", "blocks", "apps"]) {
    if (existsSync(join(root, floor))) walk(join(root, floor));
  }
  return found;
}

let house;
before(async () => {
  house = await demo();
});
after(() => house?.stop());

function token(user) {
  const env = {
    ...process.env,
    TONGBAN_DATA__DIR: house.data,
    TONGBAN_DATABASE__URL: `sqlite://${house.data}/tongban.db`,
  };
  return execFileSync(program, ["token", "create", "--user", user], { env, encoding: "utf8" }).trim();
}

test("every route answers every role as the table says", async () => {
  const document = await (await fetch(`${house.address}/api/openapi.json`)).json();
  const { paths } = document;
  const routes = pages();
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) routes.add(`${method.toUpperCase()} ${path}`);
  }
  assert.ok(routes.size > 100, `only ${routes.size} routes found`);
  const tokens = [null, ...users.map(token)];
  const lines = [["route", "nobody", ...users].join(" | ")];
  for (const route of [...routes].sort()) {
    const [method, path] = route.split(" ");
    const url = house.address + path.replace("{version}", "1").replaceAll(/\{[^}]+\}/g, nobody);
    const body = method === "GET" ? {} : isForPrograms(path) ? bodyOf(document, paths[path]?.[method.toLowerCase()]) : form;
    const answers = [];
    for (const bearer of tokens) {
      const headers = { ...body.headers, ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) };
      const answer = await fetch(url, { method, body: body.body, headers, redirect: "manual" }).catch((error) => {
        throw new Error(`${route}: ${error.cause ?? error}`);
      });
      await answer.arrayBuffer();
      assert.ok(answer.status < 500, `${route} failed with ${answer.status}`);
      const isSignIn = answer.headers.get("location")?.startsWith("/sign-in?");
      answers.push(isSignIn ? "sign in" : String(answer.status));
    }
    lines.push([route, ...answers].join(" | "));
  }
  const now = `${lines.join("\n")}\n`;
  if (process.env.UPDATE) writeFileSync(table, now);
  assert.equal(now, readFileSync(table, "utf8"));
});
