// A city whose lake is asked on a cluster: one scheduler and two executors, all of them processes
// of the executable, which must have the feature `cluster`: make test-cluster.

import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program, signedIn, start } from "../lib/server.mjs";

const folder = mkdtempSync(join(tmpdir(), "tongban-cluster-"));
const data = join(folder, "city");
const children = [];
let env;
let executors;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A process of the cluster. */
function member(...words) {
  const options = { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } };
  const child = spawn(program, ["cluster", ...words], options);
  children.push(child);
  return child;
}

async function executor(name) {
  const ports = ["--listen", `127.0.0.1:${await freePort()}`, "--tasks", `${await freePort()}`];
  return member("executor", ...ports, "--cores", "2", "--work", join(folder, name));
}

before(async () => {
  const scheduler = await freePort();
  env = {
    TONGBAN_LAKE__PLACE: join(folder, "lake"),
    TONGBAN_LAKE__SCHEDULER: `df://127.0.0.1:${scheduler}`,
    TONGBAN_LAKE__PARTITIONS: "4",
    TONGBAN_LAKE__QUERY_SECONDS: "60",
    TONGBAN_WEB__TIMEOUT_SECONDS: "90",
    TONGBAN_DATA__DIR: join(folder, "nothing"),
  };
  member("scheduler", "--listen", `127.0.0.1:${scheduler}`);
  executors = [await executor("one"), await executor("two")];
});

after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const questions = [
  "SELECT * FROM social_insurance ORDER BY 1, 2, 3, 4 LIMIT 50",
  "SELECT xzqh, count(*) n, sum(jfje) je FROM social_insurance GROUP BY xzqh ORDER BY 1",
  "SELECT count(*) FROM social_insurance a JOIN social_insurance b USING (gmsfhm)",
];

async function answers(city, user) {
  const call = await signedIn(city, user);
  const all = [];
  for (const sql of questions) {
    const { rows, hidden } = await call("POST", "/api/lake/query", { sql, purpose: "核验" });
    all.push({ rows, hidden });
  }
  return all;
}

test("a cluster answers what one machine answers, and goes on when executors are gone", async () => {
  const here = await start({ data, env: { ...env, TONGBAN_LAKE__ENGINE: "local" } });
  const told = await answers(here, "supervisor");
  await here.stop();
  assert.ok(told[0].rows.length > 10, "there is something to tell");
  assert.ok(told[0].hidden.length > 0, "and something to hide");

  const there = await start({ data, env: { ...env, TONGBAN_LAKE__ENGINE: "ballista" } });
  try {
    assert.deepEqual(await answers(there, "supervisor"), told);
    const gone = new Promise((resolve) => executors[0].once("exit", resolve));
    executors[0].kill("SIGTERM");
    assert.equal(await gone, 0, "it takes its leave");
    assert.deepEqual(await answers(there, "supervisor"), told);
    executors[0] = await executor("three");
    executors[1].kill("SIGKILL");
    assert.deepEqual(await answers(there, "supervisor"), told);

    // Some seconds of work, in which everybody who does it dies.
    const call = await signedIn(there, "supervisor");
    const question = {
      sql: `SELECT count(*) FROM social_insurance a, social_insurance b,
        (SELECT 1 x UNION ALL SELECT 2) c WHERE a.jfje + x > b.jfje + 1`,
      purpose: "核验",
    };
    const { rows } = await call("POST", "/api/lake/query", question);
    const again = call("POST", "/api/lake/query", question);
    await new Promise((resolve) => setTimeout(resolve, 800));
    executors[0].kill("SIGKILL");
    await executor("four");
    assert.deepEqual((await again).rows, rows);
  } finally {
    await there.stop();
  }
});
