// The description of the API as an integrator reads it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demo } from "../lib/house.mjs";

let city;
before(async () => (city = await demo()));
after(() => city.stop());

/** Whether a schema shows, here or in what it is made of, how a value looks. */
function hasExample(schema, all, seen = new Set()) {
  if (!schema || typeof schema !== "object") return false;
  if ("example" in schema || "examples" in schema || "enum" in schema) return true;
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    if (seen.has(name)) return false;
    return hasExample(all[name], all, new Set([...seen, name]));
  }
  const parts = [
    ...Object.values(schema.properties ?? {}),
    schema.items,
    ...["allOf", "oneOf", "anyOf"].flatMap((key) => schema[key] ?? []),
  ];
  return parts.some((part) => hasExample(part, all, seen));
}

test("every body of the API is shown by an example", async () => {
  const answer = await fetch(`${city.address}/api/openapi.json`);
  const { openapi, paths, components } = await answer.json();
  assert.match(openapi, /^3\.1/);
  const bare = [];
  let bodies = 0;
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, act] of Object.entries(item)) {
      const good = Object.entries(act.responses ?? {}).filter(([status]) => status.startsWith("2"));
      const contents = [act.requestBody, ...good.map(([, response]) => response)].flatMap((part) =>
        Object.entries(part?.content ?? {}),
      );
      for (const [kind, content] of contents) {
        // A file is what it is.
        if (!/json|form-data/.test(kind)) continue;
        bodies += 1;
        const shown = "example" in content || "examples" in content;
        if (!shown && !hasExample(content.schema, components.schemas)) bare.push(`${method} ${path} ${kind}`);
      }
    }
  }
  assert.ok(bodies > 80, `only ${bodies} bodies`);
  assert.deepEqual(bare, []);
});
