// Keys of messages: where they are defined and where they are said.

import { readFileSync, readdirSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";

export const root = new URL("../..", import.meta.url).pathname;

export function crates() {
  return ["base", "blocks", "apps", "app"].flatMap((floor) =>
    readdirSync(join(root, floor))
      .map((name) => join(floor, name))
      .filter((folder) => existsSync(join(root, folder, "Cargo.toml"))),
  );
}

function* files(folder, endings) {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path, endings);
    else if (endings.some((ending) => name.endsWith(ending))) yield path;
  }
}

/** Keys that a crate defines in a language, each with its arguments. */
export function defined(crate, tag) {
  const keys = new Map();
  for (const file of files(join(root, crate, "locales", tag), [".ftl"])) {
    let key = null;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const start = line.match(/^([a-z][a-zA-Z0-9_-]*)\s*=/);
      if (start) {
        key = start[1];
        if (keys.has(key)) throw new Error(`${file}: ${key} is defined twice`);
        keys.set(key, new Set());
      }
      if (key) for (const [, name] of line.matchAll(/\{\s*\$([a-zA-Z0-9_-]+)/g)) keys.get(key).add(name);
    }
  }
  return keys;
}

/** Every string in templates and code that looks like a key, with the file that says it. */
export function said() {
  const words = new Map();
  const note = (word, file) => words.has(word) || words.set(word, file.slice(root.length));
  for (const crate of crates()) {
    const code = [
      ...files(join(root, crate, "templates"), [".html", ".txt"]),
      ...files(join(root, crate, "src"), [".rs"]),
    ];
    for (const file of code) {
      const text = readFileSync(file, "utf8");
      for (const [, word] of text.matchAll(/"([a-z][a-z0-9_]*(?:-[a-zA-Z0-9_{}]*)+)"/g)) note(word, file);
    }
  }
  return words;
}

/** Keys that are asked for in so many words: p.t("key"), Text::new("key"), Error::refused("key"). */
export function asked() {
  const words = new Map();
  const call = /(?:\bp\.(?:t|t1|ta)|Text::new|Error::refused|refused)\(\s*"([a-z][a-zA-Z0-9_-]*)"/g;
  for (const crate of crates()) {
    for (const file of [
      ...files(join(root, crate, "templates"), [".html"]),
      ...files(join(root, crate, "src"), [".rs"]),
    ]) {
      // Tests inside source files ask for made-up keys.
      const text = readFileSync(file, "utf8").split("#[cfg(test)]")[0].replace(/^\s*\/\/.*$/gm, "").replace(/\{#.*?#\}/gs, "");
      for (const [, word] of text.matchAll(call)) words.set(word, file.slice(root.length));
    }
  }
  return words;
}
