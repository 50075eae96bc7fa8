// What drawing a process and drawing a decision have in common: files in and out, the server's
// check, deployment, and the guard over changes that are not deployed.
//
// A sheet is {open(xml), xml(), select(id), mark(findings), suggestedKey(), ending}; it calls
// `changed()` whenever something was drawn.

const place = document.getElementById("modeler");
const status = document.getElementById("modeler-status");
const words = status.dataset;
const section = document.getElementById("findings");
const list = section.querySelector("ul");
const dialog = document.getElementById("deploy");

let isChanged = false;

export function say(text, tone = "") {
  status.textContent = text;
  status.className = `tb-modeler-status ${tone}`;
}

export function changed(yes = true) {
  isChanged = yes;
  say(yes ? words.changed : words.saved);
}

window.addEventListener("beforeunload", (event) => {
  if (isChanged) event.preventDefault();
});

async function post(address, body, type) {
  const response = await fetch(address, {
    method: "POST",
    body,
    headers: { "content-type": type, accept: "application/json" },
  });
  const answer = await response.json();
  if (response.ok) return answer;
  throw new Error([answer.title, ...(answer.errors ?? []).map((error) => error.message)].join(" "));
}

function line(sheet, finding, badge, tone, text, detail = "") {
  const item = document.createElement("li");
  const mark = document.createElement("span");
  mark.className = `tb-badge tb-${tone}`;
  mark.textContent = badge;
  const rest = document.createElement(finding.element ? "button" : "span");
  if (finding.element) {
    rest.type = "button";
    rest.dataset.element = finding.element;
    rest.addEventListener("click", () => sheet.select(finding.element));
  }
  rest.textContent = `${finding.element ? `${finding.element} · ` : ""}${list.dataset.line.replace("#", finding.line)}`;
  const more = document.createElement("small");
  more.className = "tb-soft";
  more.lang = "en";
  more.textContent = detail;
  item.append(mark, " ", rest, ` ${text} `, more);
  return item;
}

function show(sheet, { findings, ignored }) {
  list.replaceChildren(
    ...findings.map((finding) =>
      line(
        sheet,
        finding,
        finding.severity === "error" ? list.dataset.error : list.dataset.warning,
        finding.severity === "error" ? "danger" : "warning",
        finding.message,
        `[${finding.rule}] ${finding.text}`,
      ),
    ),
    ...ignored.map((one) => line(sheet, one, list.dataset.ignored, "plain", one.what)),
  );
  section.hidden = findings.length + ignored.length === 0;
  sheet.mark(findings);
}

/** Asks the server; true when nothing refuses deployment. */
async function check(sheet) {
  const found = await post("/api/workflow/models/check", await sheet.xml(), "application/xml");
  show(sheet, found);
  const errors = found.findings.filter((finding) => finding.severity === "error").length;
  if (found.findings.length === 0) say(words.clean, "tb-good");
  else say(`${words.found} ${found.findings.length}`, errors ? "tb-danger" : "tb-warning");
  return errors === 0;
}

async function download(sheet) {
  const address = URL.createObjectURL(new Blob([await sheet.xml()], { type: "application/xml" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${place.dataset.key || sheet.suggestedKey()}.${sheet.ending}`;
  link.click();
  URL.revokeObjectURL(address);
}

async function deploy(sheet) {
  if (!(await check(sheet))) {
    section.scrollIntoView({ block: "nearest" });
    return;
  }
  const key = document.getElementById("deploy-key");
  key.value ||= sheet.suggestedKey();
  document.getElementById("deploy-error").textContent = "";
  dialog.showModal();
}

async function confirmDeploy(sheet) {
  const error = document.getElementById("deploy-error");
  error.textContent = "";
  try {
    const body = {
      key: document.getElementById("deploy-key").value,
      comment: document.getElementById("deploy-comment").value,
      xml: await sheet.xml(),
    };
    const done = await post("/api/workflow/models/deploy", JSON.stringify(body), "application/json");
    isChanged = false;
    location.assign(done.href);
  } catch (problem) {
    error.textContent = problem.message;
  }
}

async function load(sheet, xml) {
  try {
    await sheet.open(xml);
    return true;
  } catch (problem) {
    say(`${words.unreadable} ${problem.message}`, "tb-danger");
    return false;
  }
}

/** Opens the page's file, or `blank`, and connects the buttons. */
export async function run(sheet, blank) {
  const acts = {
    check: () => check(sheet),
    download: () => download(sheet),
    deploy: () => deploy(sheet),
    close: () => dialog.close(),
    ...sheet.acts,
  };
  document.addEventListener("click", async (event) => {
    const act = acts[event.target.closest("[data-act]")?.dataset.act];
    if (!act) return;
    try {
      await act(event.target.closest("[data-act]"));
    } catch (problem) {
      say(`${words.failed} ${problem.message}`, "tb-danger");
    }
  });
  dialog?.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    confirmDeploy(sheet);
  });
  const file = document.getElementById("modeler-import");
  file.addEventListener("change", async () => {
    if (file.files.length === 0) return;
    if (await load(sheet, await file.files[0].text())) changed();
    file.value = "";
  });
  const address = place.dataset.file;
  if (address) {
    const response = await fetch(address);
    if (await load(sheet, await response.text())) changed(false);
  } else if (await load(sheet, blank)) {
    changed(false);
  }
  place.classList.add("tb-drawn");
}

export { place, words };
