// Bundles styles, scripts and icons into dist/ under content-hashed names, with a manifest that
// maps plain names to hashed ones and a gzip twin beside each file. `base/web` embeds the folder.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { execFileSync } from "node:child_process";
import { build } from "esbuild";
import { PurgeCSS } from "purgecss";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");
const dist = join(here, "dist");

const outline = [
  "menu-2", "bell", "user", "users", "check", "circle-check", "alert-triangle", "alert-octagon",
  "alert-circle", "info-circle", "search", "inbox", "file", "download", "upload", "clock",
  "calendar", "chevron-right", "building", "file-certificate", "arrow-right", "home",
  "list-check", "printer", "lock", "id", "star", "map-pin", "tools-kitchen-2", "gavel",
  "clipboard-list", "flag", "settings", "plus", "x", "eye", "qrcode", "message", "edit",
  "refresh", "external-link",
];
const filled = ["circle", "triangle", "octagon", "player-pause", "star"];

/** Our content security policy refuses inline styles; two libraries of the modelers write some. */
const withoutInlineStyles = {
  name: "without-inline-styles",
  setup(build) {
    const patch = (filter, change) =>
      build.onLoad({ filter }, ({ path }) => {
        const before = readFileSync(path, "utf8");
        const contents = change(before);
        if (contents === before) throw new Error(`${path} has changed: look at this patch again`);
        return { contents, loader: "js" };
      });
    // Its style sheet can be adopted by a whole document, not only by a shadow root.
    patch(/style-mod\/src\/style-mod\.js$/, (text) =>
      text.replace("!root.head && root.adoptedStyleSheets", "root.adoptedStyleSheets"),
    );
    // What it makes of HTML text gets its styles by script, which the policy allows.
    patch(/domify\/index\.js$/, (text) =>
      text.replace(
        "element.innerHTML = prefix + htmlString + suffix;",
        `element.innerHTML = prefix + htmlString.replaceAll(' style="', ' data-style="') + suffix;
        for (const styled of element.querySelectorAll("[data-style]")) {
          styled.style.cssText = styled.dataset.style;
          delete styled.dataset.style;
        }`,
      ),
    );
    // What its icons say as style they can say as attributes.
    patch(/bpmn-js\/lib\/features\/(align|distribute)-elements\/\w+Icons\.js$/, (text) =>
      text.replace(/ style="([^"]*)"/g, (_, style) =>
        style.replace(/([a-z-]+):([^;"]+);?/g, ' $1="$2"'),
      ),
    );
  },
};

/** One bundle as text. */
async function bundle(entry, options = {}) {
  const result = await build({
    entryPoints: [join(here, "src", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["chrome100", "firefox100", "safari15"],
    legalComments: "none",
    loader: { ".woff2": "dataurl", ".woff": "empty", ".ttf": "empty", ".eot": "empty", ".svg": "empty" },
    plugins: [withoutInlineStyles],
    ...options,
  });
  return result.outputFiles[0].text;
}

/** Tabler brings rules for far more than our pages hold; what no template names is left out. */
async function purged(css) {
  const folders = ["base", "blocks", "apps"];
  const content = [
    ...folders.map((folder) => join(root, folder, "*/templates/**/*.html")),
    ...folders.map((folder) => join(root, folder, "*/src/**/*.rs")),
    join(here, "src/*.js"),
  ];
  const [result] = await new PurgeCSS().purge({
    content,
    css: [{ raw: css }],
    defaultExtractor: (text) => text.match(/[A-Za-z0-9_-]+/g) ?? [],
    // Our own classes all start with tb-, and some are put together from two words.
    safelist: { greedy: [/tb-/, /^htmx-/] },
    keyframes: true,
    variables: false,
  });
  return (await build({ stdin: { contents: result.css, loader: "css" }, minify: true, write: false }))
    .outputFiles[0].text;
}

/** The icons that the pages use, as symbols of one file. */
function icons() {
  const folder = join(here, "node_modules/@tabler/icons/icons");
  const symbol = (kind, name, id) => {
    const svg = readFileSync(join(folder, kind, `${name}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>")).trim();
    const paint =
      kind === "filled"
        ? 'fill="currentColor"'
        : 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
    return `<symbol id="${id}" viewBox="0 0 24 24" ${paint}>${inner.replace(/\s+/g, " ")}</symbol>`;
  };
  return [
    '<svg xmlns="http://www.w3.org/2000/svg">',
    ...outline.map((name) => symbol("outline", name, name)),
    ...filled.map((name) => symbol("filled", name, `${name}-filled`)),
    "</svg>",
  ].join("\n");
}

function put(manifest, name, text) {
  const dot = name.lastIndexOf(".");
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const hashed = `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
  writeFileSync(join(dist, hashed), text);
  writeFileSync(join(dist, `${hashed}.gz`), gzipSync(text, { level: 9 }));
  manifest[name] = hashed;
}

/** The divisions of China come from an npm package too; the pack keeps the script. */
function regions() {
  const script = join(root, "packs/base-cn/regions.mjs");
  if (existsSync(script)) {
    execFileSync(process.execPath, [script], { cwd: here, stdio: "inherit" });
  }
}

const bundles = {
  "app.js": await bundle("app.js"),
  "process.js": await bundle("process.js"),
  "modeler.js": await bundle("modeler.js"),
  "decision.js": await bundle("decision.js"),
  "app.css": await purged(await bundle("style.css")),
  "process.css": await bundle("process.css"),
  "modeler.css": await bundle("modeler.css"),
  "decision.css": await bundle("decision.css"),
  "icons.svg": icons(),
  "mark.svg": readFileSync(join(here, "src/mark.svg"), "utf8"),
};
regions();
mkdirSync(dist, { recursive: true });
const manifest = {};
for (const [name, text] of Object.entries(bundles)) put(manifest, name, text);
writeFileSync(join(dist, "manifest.json"), JSON.stringify(manifest, null, 2));
// Older bundles go last: a server that reads the folder while it is rebuilt finds one or the other.
const kept = new Set(["manifest.json", ...Object.values(manifest).flatMap((f) => [f, `${f}.gz`])]);
for (const file of readdirSync(dist)) if (!kept.has(file)) rmSync(join(dist, file));
for (const [name, hashed] of Object.entries(manifest)) {
  const bytes = readFileSync(join(dist, `${hashed}.gz`)).length;
  console.log(`${name.padEnd(12)} ${(bytes / 1024).toFixed(1).padStart(7)} kB zipped`);
}
