// Every visible word is a message in both languages, and no message is left over.

import test from "node:test";
import assert from "node:assert/strict";
import { asked, crates, defined, said } from "../lib/words.mjs";

const languages = ["zh-CN", "en"];

test("both languages define the same keys with the same arguments", () => {
  for (const crate of crates()) {
    const [chinese, english] = languages.map((tag) => defined(crate, tag));
    assert.deepEqual([...english.keys()].sort(), [...chinese.keys()].sort(), crate);
    for (const [key, args] of chinese) {
      // Words that exist in both languages are passed as `zh` and `en`, and each message takes its own.
      const names = (set) => [...set].map((name) => name.replace(/\ben$/, "zh").replace(/_en$/, "_zh")).sort();
      assert.deepEqual(names(english.get(key)), names(args), `${crate}: arguments of ${key}`);
    }
  }
});

test("every key that a page or an error asks for has words", () => {
  const known = new Set(crates().flatMap((crate) => [...defined(crate, "zh-CN").keys()]));
  const missing = [...asked()].filter(([key]) => !known.has(key));
  assert.deepEqual(missing.map(([key, file]) => `${key} (${file})`), []);
});

test("every key is said somewhere", () => {
  const words = [...said().keys()];
  const whole = new Set(words);
  // `web-error-{}` and the like: keys put together from a stem.
  const stems = words
    .filter((word) => word.endsWith("-") || word.includes("{"))
    .map((word) => word.split("{")[0])
    .filter((stem) => stem.length > 4);
  const unused = crates()
    .flatMap((crate) => [...defined(crate, "zh-CN").keys()])
    // A mail's subject is its body's key without the ending, and the like.
    .filter((key) => !whole.has(key) && !whole.has(key.replace(/-[a-z]+$/, "")))
    .filter((key) => !stems.some((stem) => key.startsWith(stem)));
  assert.deepEqual(unused, []);
});
