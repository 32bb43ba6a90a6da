// Forms that try before they save: which fields apply, what a provider fills in, each step of a test as it happens, faults at their
// fields while everything that was typed stays, secrets too. Without this file the server does all of it, a page at a time.

const PORTS = {
  imap: { tls: "993", starttls: "143", none: "143" },
  pop3: { tls: "995", starttls: "110", none: "110" },
  smtp: { tls: "465", starttls: "587", none: "25" },
};
const MAX_UPLOAD = 380_000; // octets, as posted.py has it
const DEFAULT_PORTS = new Set(Object.values(PORTS).flatMap((each) => Object.values(each)));

const form = document.querySelector("form[data-form]");
const trial = document.getElementById("trial");
const control = (name) => form.elements.namedItem(name);
const valueOf = (name) => {
  const found = control(name);
  if (!found) return "";
  return found.type === "checkbox" ? (found.checked ? found.value : "") : found.value;
};

// --- which fields apply ---------------------------------------------------------------------------------------------------

function showWhatApplies() {
  for (const field of form.querySelectorAll("[data-when]")) {
    const applies = field.dataset.when.split(";").every((condition) => {
      const [name, wanted] = [condition.slice(0, condition.indexOf("=")), condition.slice(condition.indexOf("=") + 1)];
      const holder = control(name);
      const value = holder && holder.disabled && holder.type === "checkbox" ? "" : valueOf(name);
      return wanted.split("|").some((one) => (one.startsWith("~") ? value.includes(one.slice(1)) : value === one));
    });
    field.hidden = !applies;
    for (const each of field.querySelectorAll("input, select, textarea")) each.disabled = !applies;
  }
}

function showGraphWhereItIs(preset) {
  for (const name of ["sender.protocol", "receiver.protocol"]) {
    const choice = control(name);
    const graph = choice?.querySelector('option[value="graph"]');
    if (!graph) continue;
    graph.hidden = graph.disabled = !preset?.graph;
    if (graph.disabled && choice.value === "graph") choice.value = name === "receiver.protocol" ? "imap" : "";
  }
}

function signInFollowsGraph() {
  for (const side of ["sender", "receiver"]) {
    const way = control(`${side}.sign_in`);
    if (way && valueOf(`${side}.protocol`) === "graph") way.value = "oauth";
  }
  const uses = control("receiver.use_sender_identity");
  const way = control("receiver.sign_in");
  if (uses?.checked && way && valueOf("sender.protocol") === "smtp" && valueOf("receiver.protocol") !== "graph") way.value = "password";
}

// --- what a provider fills in ---------------------------------------------------------------------------------------------

const presets = JSON.parse(form?.dataset.presets || "{}");
const filled = new Map(); // what we put in ourselves, which we may replace

function put(name, value) {
  const field = control(name);
  if (!field || value === undefined) return;
  if (field.value === "" || field.value === filled.get(name) || field.tagName === "SELECT") {
    field.value = value;
    filled.set(name, String(value));
  }
}

function fillSide(side, preset, anew) {
  const protocol = valueOf(`${side}.protocol`);
  const ways = (protocol !== "graph" && preset?.[protocol]) || [];
  if (anew && ways.length) put(`${side}.security`, ways[0].security);
  const security = valueOf(`${side}.security`);
  const end = ways.find((each) => each.security === security) || ways[0];
  if (end) put(`${side}.host`, end.host);
  else if (anew && control(`${side}.host`)?.value === filled.get(`${side}.host`)) control(`${side}.host`).value = "";
  const port = control(`${side}.port`);
  if (port && PORTS[protocol] && (port.value === "" || DEFAULT_PORTS.has(port.value) || port.value === filled.get(`${side}.port`))) {
    port.value = end && end.security === security ? String(end.port) : PORTS[protocol][security];
    filled.set(`${side}.port`, port.value);
  }
  if (anew && end && !end.auth.includes("password") && !end.auth.includes("app_password")) put(`${side}.sign_in`, "oauth");
}

function providerOf(address) {
  const domain = address.slice(address.lastIndexOf("@") + 1).toLowerCase();
  return domain && Object.keys(presets).find((name) => presets[name].domains.includes(domain));
}

function changed(event) {
  const name = event?.target?.name || "";
  if (name === "address" && valueOf("provider") === "custom") {
    const known = providerOf(valueOf("address"));
    if (known) {
      control("provider").value = known;
      return changed({ target: control("provider") });
    }
  }
  const preset = presets[valueOf("provider")];
  showGraphWhereItIs(preset);
  signInFollowsGraph();
  const anew = ["provider", "sender.protocol", "receiver.protocol"].includes(name);
  if (anew || name.endsWith(".security")) for (const side of ["sender", "receiver"]) fillSide(side, preset, anew);
  const hint = document.getElementById("h-provider");
  if (hint) hint.textContent = preset?.hint || "Fills hosts, ports, security and sign-in.";
  const after = control("after");
  if (after) {
    const isPop = valueOf("receiver.protocol") === "pop3";
    for (const option of after.options) option.hidden = option.disabled = isPop && ["seen", "move"].includes(option.value);
    if (after.selectedOptions[0]?.disabled) after.value = "keep";
  }
  showWhatApplies();
}

// A binary store (PKCS#12, DER, Java's) begins so; it becomes text as the server has it too (posted.py).
function isBinary(octets) {
  const begins = (...first) => first.every((octet, place) => octets[place] === octet);
  return (octets[0] === 0x30 && octets[1] >= 0x80) || begins(0xfe, 0xed, 0xfe, 0xed) || begins(0xce, 0xce, 0xce, 0xce);
}

function armoured(octets) {
  let binary = "";
  for (const octet of octets) binary += String.fromCharCode(octet);
  const lines = btoa(binary).match(/.{1,76}/g).join("\n");
  return `-----BEGIN PKCS12-----\n${lines}\n-----END PKCS12-----\n`;
}

async function takeUpload(input) {
  const into = document.getElementById(input.dataset.into);
  const file = input.files[0];
  if (!into || !file) return;
  const name = input.dataset.into.slice(2);
  const isTooLarge = file.size > MAX_UPLOAD;
  showFault(name, isTooLarge ? `this file is over ${MAX_UPLOAD / 1000} KB: give the authorities' certificates only` : "");
  if (!isTooLarge) {
    const octets = new Uint8Array(await file.arrayBuffer());
    into.value = isBinary(octets) ? armoured(octets) : new TextDecoder().decode(octets);
  }
  input.value = ""; // its text is sent, not the file
  showWhatApplies();
}

// --- faults at their fields -----------------------------------------------------------------------------------------------

function showFault(name, text) {
  const field = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  const place = document.getElementById(`e-${name}`);
  const input = document.getElementById(`f-${name}`);
  if (!field || !place || !input) return false;
  place.textContent = text;
  place.hidden = !text;
  if (text && field.hidden) {
    field.hidden = input.disabled = false; // the server knows that it applies
  }
  const described = (input.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== place.id);
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  if (text) described.push(place.id);
  if (described.length) input.setAttribute("aria-describedby", described.join(" "));
  else input.removeAttribute("aria-describedby");
  return true;
}

function clearFaults() {
  for (const field of form.querySelectorAll("[data-field]")) if (document.getElementById(`f-${field.dataset.field}`)) showFault(field.dataset.field, "");
  const summary = document.getElementById("faults");
  if (summary) summary.hidden = true;
}

function takeFaults(page) {
  for (const place of page.querySelectorAll(".fault:not([hidden])")) showFault(place.id.slice(2), place.textContent);
  const summary = document.getElementById("faults");
  const fresh = page.getElementById("faults");
  if (summary && fresh && !fresh.hidden) {
    summary.replaceChildren(...fresh.childNodes);
    summary.hidden = false;
    summary.focus();
    return true;
  }
  return false;
}

function labelOf(name) {
  const own = form.querySelector(`label[for="f-${CSS.escape(name)}"]`);
  if (!own) return name;
  const alike = [...form.querySelectorAll("label[for]")].filter((each) => each.textContent === own.textContent);
  return alike.length > 1 ? `${own.closest(".section").querySelector("h2").textContent}: ${own.textContent}` : own.textContent;
}

function faultFromTest(name, text) {
  if (!showFault(name, text)) return;
  const summary = document.getElementById("faults");
  const label = labelOf(name);
  const link = Object.assign(document.createElement("a"), { href: `#f-${name}`, textContent: label });
  const item = document.createElement("li");
  item.append(link, `: ${text}`);
  if (summary.hidden) summary.querySelector("ul").replaceChildren();
  summary.querySelector("strong").textContent = "Please correct this";
  summary.querySelector("ul").append(item);
  summary.hidden = false;
}

// --- sending --------------------------------------------------------------------------------------------------------------

function busy(button, isBusy) {
  for (const each of form.querySelectorAll("button")) each.disabled = isBusy;
  button.setAttribute("aria-busy", String(isBusy));
}

function stepFrom(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // made by our own template, which escapes
  return holder.content.firstElementChild;
}

async function test(answer) {
  const card = stepFrom(
    '<section class="card" aria-labelledby="trial-title"><div class="title"><h2 id="trial-title">Test of the connection</h2></div>' +
      '<ol class="steps"><li class="running"><span class="sign" aria-hidden="true">…</span><span class="name">Connecting</span></li></ol></section>',
  );
  trial.replaceChildren(card);
  card.scrollIntoView({ block: "start" });
  const steps = card.querySelector("ol");
  const running = steps.lastElementChild;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value || "")).split("\n");
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const step = JSON.parse(line);
      running.before(stepFrom(step.html));
      running.querySelector(".name").textContent = "Next step";
      if (step.field) faultFromTest(step.field, step.fault);
    }
    if (done) break;
  }
  running.remove();
}

async function send(button) {
  const data = new FormData(form, button);
  clearFaults();
  busy(button, true);
  try {
    const wants = button.value === "test" ? "application/x-ndjson, text/html" : "text/html";
    const answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: wants, "X-Form": "1" }, redirect: "manual" });
    const type = answer.headers.get("Content-Type") || "";
    if (answer.status === 401 || answer.type === "opaqueredirect") location.reload();
    else if (type.includes("x-ndjson")) await test(answer);
    else if (type.includes("problem+json")) refused((await answer.json()).detail);
    else if (type.includes("application/json")) location.assign((await answer.json()).go);
    else await takePage(answer);
  } catch (error) {
    const gone = stepFrom('<div class="note bad" role="alert">Listener did not answer. Nothing was saved; try again once the connection is back.</div>');
    trial.replaceChildren(gone);
  } finally {
    busy(button, false);
  }
}

function refused(detail) {
  const note = stepFrom('<div class="note bad" role="alert"></div>');
  note.textContent = `This could not be done: ${detail}.`;
  trial.replaceChildren(note);
}

async function takePage(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("trial");
  if (fresh) trial.replaceChildren(...fresh.childNodes);
  if (takeFaults(page)) return;
  if (fresh?.childElementCount || trial.childElementCount) trial.focus();
  else if (!answer.ok) trial.replaceChildren(page.querySelector("main .card") || document.createTextNode(`${answer.status}`));
}

if (form) {
  form.addEventListener("submit", (event) => {
    if (!event.submitter?.name || event.submitter.name !== "do") return;
    event.preventDefault();
    send(event.submitter);
  });
  form.addEventListener("change", (event) => {
    if (event.target.dataset.into) takeUpload(event.target);
    else changed(event);
  });
  for (const side of ["sender", "receiver"]) if (control(`${side}.port`)?.value === "") fillSide(side, presets[valueOf("provider")], false);
  changed();
}
