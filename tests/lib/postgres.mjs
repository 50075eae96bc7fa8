// A PostgreSQL of one test's own, which the test may stop and start.

import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const versions = "/usr/lib/postgresql";

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Makes and starts a server: `url`, `start()`, `stop()` as a crash would, and `remove()`. */
export async function postgres() {
  const newest = readdirSync(versions).sort((a, b) => a - b).at(-1);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "tongban-postgres-"));
  const isRoot = userInfo().uid === 0;
  // The server refuses to run as root.
  const run = (name, ...words) => {
    const program = join(versions, newest, "bin", name);
    const [first, ...rest] = isRoot ? ["runuser", "-u", "postgres", "--", program, ...words] : [program, ...words];
    return execFileSync(first, rest, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  };
  if (isRoot) {
    const id = (flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    chownSync(folder, id("-u"), id("-g"));
  }
  const data = join(folder, "data");
  run("initdb", "-D", data, "-U", "tongban", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8");
  const start = () =>
    run("pg_ctl", "-D", data, "-w", "-l", join(folder, "log"), "-o", `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1`, "start");
  const stop = () => run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop");
  const remove = () => {
    try {
      stop();
    } catch {
      // It was stopped already.
    }
    rmSync(folder, { recursive: true, force: true });
  };
  start();
  run("createdb", "-h", "127.0.0.1", "-p", String(port), "-U", "tongban", "tongban");
  return { url: `postgres://tongban@127.0.0.1:${port}/tongban`, start, stop, remove };
}
