// What every page does beyond plain HTML: stay fresh, say when the daemon is gone, keep times relative, ask before harm.
// Without this file every page still works; it is then as fresh as its last load.

const ALIVE = 12_000; // ms without a word from the daemon after which it is taken for gone (it says something every 5 s)
const AT_MOST_EVERY = 1_000; // ms between two refreshes
const TIMES_EVERY = 10_000;

// --- the menu on a narrow screen ------------------------------------------------------------------------------------------

const side = document.querySelector(".side");
const menu = side?.querySelector(".menu");
if (menu) {
  menu.hidden = false;
  const show = (open) => {
    side.dataset.menu = open ? "open" : "closed";
    menu.setAttribute("aria-expanded", String(open));
  };
  show(false);
  menu.addEventListener("click", () => show(side.dataset.menu === "closed"));
  side.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side.dataset.menu === "open") {
      show(false);
      menu.focus();
    }
  });
}

// --- times ----------------------------------------------------------------------------------------------------------------

function relative(at) {
  const seconds = (Date.now() - at) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 5) return "just now";
  if (distance >= 14 * 86400) return new Date(at).toISOString().slice(0, 10);
  const [unit, length] = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, each]) => distance >= each);
  const count = Math.floor(distance / length);
  const said = `${count} ${unit}${unit === "day" && count > 1 ? "s" : ""}`;
  return seconds > 0 ? `${said} ago` : `in ${said}`;
}

function freshenTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const said = relative(Date.parse(time.dateTime));
    if (time.textContent !== said) time.textContent = said;
  }
}
setInterval(freshenTimes, TIMES_EVERY);

// --- live regions ---------------------------------------------------------------------------------------------------------
// The page is fetched again and each [data-live] region takes over what changed. Rows with the same data-key that did not change
// stay the same elements, so that focus and ticks stay.

function sameButForTimes(one, other) {
  const text = (element) => {
    const copy = element.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.textContent = "";
    return copy.innerHTML;
  };
  return text(one) === text(other);
}

function takeOver(region, fresh) {
  if (sameButForTimes(region, fresh)) return false;
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const ticked = new Set([...region.querySelectorAll("input:checked")].map((box) => box.value));
  const kept = new Map([...region.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]));
  for (const row of fresh.querySelectorAll("[data-key]")) {
    const before = kept.get(row.dataset.key);
    if (before && before.tagName === row.tagName && sameButForTimes(before, row)) row.replaceWith(before);
  }
  region.replaceChildren(...fresh.childNodes);
  for (const box of region.querySelectorAll("input[type=checkbox]")) if (ticked.has(box.value)) box.checked = true;
  if (focused && !document.activeElement?.isSameNode(focused)) {
    const again = focused.isConnected ? focused : focused.id ? document.getElementById(focused.id) : sameLink(region, focused);
    again?.focus({ preventScroll: true });
  }
  return true;
}

function sameLink(region, focused) {
  const href = focused.getAttribute("href");
  return href ? [...region.querySelectorAll("a")].find((link) => link.getAttribute("href") === href) : null;
}

function announceNew(region, before) {
  const now = new Set([...region.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  const fresh = [...now].filter((key) => !before.has(key)).length;
  const what = region.dataset.announce;
  if (what && fresh) say(`${fresh} new ${what}${fresh > 1 ? "s" : ""}`);
}

function say(words) {
  const place = document.getElementById("announce");
  if (place) place.textContent = words;
}

let refreshing = null;
let wanted = false;

async function refresh() {
  if (refreshing) {
    wanted = true;
    return;
  }
  refreshing = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin", redirect: "manual" });
    if (answer.status === 401 || answer.type === "opaqueredirect") return location.reload(); // to the sign-in page, and back
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(region.id);
        if (!fresh) continue;
        const before = new Set([...region.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
        if (takeOver(region, fresh)) announceNew(region, before);
      }
      freshenTimes();
      document.dispatchEvent(new Event("listener:fresh"));
    }
  } catch {
    // The daemon is gone; the connection says so and comes back by itself.
  }
  await new Promise((done) => setTimeout(done, AT_MOST_EVERY));
  refreshing = null;
  if (wanted) {
    wanted = false;
    refresh();
  }
}

// --- the connection -------------------------------------------------------------------------------------------------------

const connection = document.getElementById("connection");
const offline = document.getElementById("offline");
let lastWord = Date.now();
let lostSince = null;
let events = null;

function connected(isLive) {
  if (!connection) return;
  if (isLive) {
    lastWord = Date.now();
    const wasLost = lostSince !== null;
    lostSince = null;
    if (connection.dataset.state !== "live") {
      connection.dataset.state = "live";
      connection.textContent = "Live";
    }
    offline.hidden = true;
    if (wasLost) {
      say("Connected to Listener again");
      refresh();
    }
  } else if (lostSince === null) {
    lostSince = new Date();
    connection.dataset.state = "lost";
    connection.textContent = "Not connected";
    offline.textContent = `No connection to Listener since ${lostSince.toTimeString().slice(0, 5)}. What is shown may be out of date; trying again…`;
    offline.hidden = false;
  }
}

function listen() {
  events?.close();
  events = new EventSource("/events");
  events.addEventListener("bye", () => connected(false));
  events.onopen = () => connected(true);
  events.addEventListener("hello", refresh); // what came between the page's making and now
  events.addEventListener("ping", () => connected(true));
  events.addEventListener("change", () => {
    connected(true);
    refresh();
  });
  events.addEventListener("expired", () => location.reload());
  events.onerror = () => {
    connected(false);
    if (events.readyState === EventSource.CLOSED) setTimeout(probe, 2_000); // refused: by a daemon that starts, or for a session that ended
  };
}

async function probe() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (answer.status === 401 || answer.type === "opaqueredirect") return location.reload();
  } catch {
    // still gone
  }
  listen();
}

if (connection) {
  listen();
  const every = Math.min(...[...document.querySelectorAll("[data-every]")].map((region) => Number(region.dataset.every)));
  if (every < Infinity) setInterval(() => lostSince === null && document.visibilityState === "visible" && refresh(), every * 1000);
  setInterval(() => {
    if (Date.now() - lastWord > ALIVE && document.visibilityState === "visible") {
      connected(false);
      lastWord = Date.now();
      listen();
    }
  }, 3_000);
  addEventListener("pagehide", () => events?.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

// --- small things ---------------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

function wireSelectAll() {
  for (const all of document.querySelectorAll("[data-all]")) {
    all.hidden = false;
    all.onchange = () => {
      for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
    };
  }
}
wireSelectAll();
document.addEventListener("listener:fresh", wireSelectAll);

const faults = document.getElementById("faults");
if (faults) faults.focus();
