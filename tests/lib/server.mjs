// Starts the executable for tests that talk to it over HTTP, and talks to it as a program does.
// TONGBAN names the executable.

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import assert from "node:assert/strict";

export const root = new URL("../..", import.meta.url).pathname;
/** The executable under test. */
export const program = process.env.TONGBAN ?? join(root, "target/debug/tongban");
const run = promisify(execFile);

/**
 * A running demo city. `data` is kept by `stop()` if the caller brought it; `env` adds variables;
 * `database` is used instead of the one in the folder; `people` fill its registries; with `departments` their nodes
 * work; `port` 0 takes any free one.
 */
export async function start({ data, database, people, departments, env = {}, port = 0 } = {}) {
  assert.ok(existsSync(program), `${program} is missing: cargo build -p tongban`);
  const own = data === undefined;
  data ??= mkdtempSync(join(tmpdir(), "tongban-demo-"));
  const choice = database ? ["--database", database] : [];
  if (people) choice.push("--people", String(people));
  if (departments) choice.push("--departments");
  const child = spawn(
    program,
    ["demo", "--data", data, "--listen", `127.0.0.1:${port}`, "--json", ...choice],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    new Promise((resolve) => lines.once("line", resolve)),
    ended.then((code) => Promise.reject(new Error(`tongban demo ended with ${code}`))),
  ]);
  const { address, accounts } = JSON.parse(first);
  const end = async (signal) => {
    child.kill(signal);
    await ended;
  };
  const stop = async () => {
    await end("SIGTERM");
    if (own) rmSync(data, { recursive: true, force: true });
  };
  /** Ends it as a power cut would. */
  const kill = () => end("SIGKILL");
  database ??= `sqlite://${data}/tongban.db`;
  return { address, accounts, data, database, stop, kill };
}

/** What a command of the executable prints when it works on the city's data. */
export async function command(city, ...words) {
  const env = {
    ...process.env,
    TONGBAN_DATA__DIR: city.data,
    TONGBAN_DATABASE__URL: city.database,
  };
  const { stdout } = await run(program, words, { env });
  return stdout.trim();
}

/** An answer that was not what the caller needed. */
export class Refused extends Error {
  constructor(method, path, status, type, body) {
    super(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    Object.assign(this, { status, type, body });
  }
}

/** Requests with one token: `call("POST", "/api/…", body)` answers the body or throws. */
export function client(address, token) {
  return async (method, path, body) => {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const isForm = body instanceof FormData;
    if (body !== undefined && !isForm) headers["content-type"] = "application/json";
    const content = body === undefined || isForm ? body : JSON.stringify(body);
    const answer = await fetch(address + path, { method, headers, body: content });
    const type = answer.headers.get("content-type") ?? "";
    const said = type.includes("json") ? await answer.json() : await answer.bytes();
    if (!answer.ok) throw new Refused(method, path, answer.status, type, said);
    return said;
  };
}

/** A client for one of the demo accounts, with a token made at the console. */
export async function signedIn(city, user) {
  const token = await command(city, "token", "create", "--user", user);
  return client(city.address, token);
}
