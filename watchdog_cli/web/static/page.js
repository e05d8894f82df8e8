// The page: one stream of events comes in, each part of the page is drawn from what it says.
import { WORDS, causeText, change, clock, current, duration, factText, fullPrice, percent, price, say, setLanguage, size, uptimePercent } from "./words.js";
import { drawStrip, makeCharts, sparkline } from "./draw.js";

const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const key = new URLSearchParams(location.search).get("watchdog") ?? "";
const query = key ? `?watchdog=${encodeURIComponent(key)}` : "";
const LINES_SHOWN = 500, FACTS_SHOWN = 60, POINTS_KEPT = 900;
const charts = makeCharts();
const seen = { state: null, facts: [], lines: [], points: [], past: null, tokens: null, incidents: [], everyone: [], keepalive: null };
let csrf = root.dataset.csrf, span = "now", stream = null, heardAt = 0, isLost = false, steadyAt = 0, following = true, locked = false;

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function put(id, text) {
  const place = $(id);
  if (place.textContent !== text) place.textContent = text;
}

const isolated = (text) => element("bdi", text);

// --- drawing ------------------------------------------------------------------------------------------------

function level(report) {
  if (report.exit_code === 0) return report.health === "degraded" ? "warn" : "ok";
  if (report.exit_code === 5) return ["stale", "watchdog frozen", "unsupervised"].includes(report.health) ? "bad" : "warn";
  return "bad";
}

function stateWords(report) {
  const state = say(`state ${report.state}`);
  const same = report.health === report.state || report.health === "not running";
  return same ? state : `${state}${say("between")}${say(`health ${report.health}`)}`;
}

function drawState() {
  const report = seen.state;
  if (!report) return;
  $("hero").dataset.level = level(report);
  put("name", report.name);
  put("state", stateWords(report));
  document.title = `${stateWords(report)} · ${report.name}`;
  drawMoving();
  const restarts = report.restarts;
  const counted = !restarts ? "–" : restarts.cap === null ? say("no_limit", restarts.in_window) : say("of", restarts.in_window, restarts.cap);
  put("restarts", counted);
  $("restarts").title = restarts ? say("total", restarts.total) : "";
  drawActions();
  drawAbout();
}

function drawMoving() {
  const report = seen.state, passed = (performance.now() - steadyAt) / 1000;
  if (!report) return;
  const child = report.child, beat = report.heartbeat;
  put("uptime", child ? duration(child.uptime_s) : "–");
  const age = beat?.age_s;
  put("beat", !child || !beat ? "–" : age === null || age === undefined ? say("none_yet") : say("ago", duration(age)));
  const bar = $("bar"), shown = Boolean(child && beat && age !== null && age !== undefined && beat.timeout_s > 0);
  bar.hidden = !shown;
  if (shown) {
    const left = Math.max(0, 1 - age / beat.timeout_s);
    bar.dataset.level = left > 0.5 ? "ok" : left > 0.2 ? "warn" : "bad";
    bar.firstElementChild.style.width = `${(left * 100).toFixed(1)}%`;
    bar.setAttribute("aria-valuenow", Math.round(left * 100));
    bar.setAttribute("aria-label", say("left"));
  }
  const last = seen.points.at(-1);
  put("memory", child ? size(last?.[1] ?? child.rss_bytes) : "–");
  put("cpu", child ? percent(last?.[2] ?? child.cpu_percent) : "–");
  const notes = [];
  if (report.next_start_s !== null) notes.push(say("next_start", duration(Math.max(0, report.next_start_s - passed))));
  if (report.pause_left_s !== null) notes.push(say("pause_ends", duration(Math.max(0, report.pause_left_s - passed))));
  const note = $("note"), text = [report.note, ...notes].filter(Boolean).join(" ");
  note.hidden = !text;
  if (note.textContent !== text) note.replaceChildren(...[report.note, ...notes].filter(Boolean).flatMap((one) => [isolated(one), " "]));
}

function drawActions() {
  const report = seen.state, mayAct = Boolean(csrf), lives = Boolean(report?.watchdog);
  $("actions").hidden = !mayAct || !lives;
  const paused = report && (report.state === "paused" || report.health === "paused");
  $("pause").hidden = Boolean(paused);
  $("resume").hidden = !paused;
  const sign = $("sign");
  sign.hidden = root.dataset.mode !== "act";
  sign.textContent = say(csrf ? "sign_out" : "sign_in");
}

function pairs(box, rows) {
  box.replaceChildren(...rows.filter((row) => row && row[1] !== null && row[1] !== undefined && row[1] !== "").map(([label, value]) => {
    const text = String(value), row = element("div", null, text.length > 28 ? { class: "long" } : {}), data = element("dd");
    data.append(isolated(text));
    row.append(element("dt", label), data);
    return row;
  }));
}

function drawAbout() {
  const report = seen.state, call = seen.keepalive;
  if (!report) return;
  const fields = report.heartbeat?.fields ?? {};
  pairs($("about"), [
    report.child && [say("a_program"), say("pid", report.child.pid)],
    report.child?.command && [say("a_command"), report.child.command.join(" ")],
    report.watchdog && [say("a_watchdog"), say("pid", report.watchdog.pid)],
    typeof fields.activeTokens === "number" && [say("f_active"), fields.activeTokens],
    typeof fields.totalTokens === "number" && [say("f_total"), fields.totalTokens],
    typeof fields.lastSave === "string" && [say("f_save"), clock(fields.lastSave)],
    [say("a_log"), `${report.log.file} (${size(report.log.size_bytes)})`],
    report.backups !== null && [say("a_backups"), report.backups],
    report.last_seen_at && [say("a_seen"), clock(report.last_seen_at)],
    [say("a_folder"), report.folder],
    call && [say("a_keepalive"), call.percent === null ? say("keepalive_none") : say("keepalive", call.percent, call.good, call.calls) + (call.error ? `, ${call.error}` : "")],
  ]);
}

const LOUD = { hang: "bad", killing: "warn", memory: "bad", "gave-up": "bad", "spawn-failed": "bad", "no-heartbeat": "warn", "lease-lost": "warn", "lease-doubtful": "bad", "lease-cut-off": "warn", "lease-renewed": "ok", recovered: "ok", healthy: "ok" };

function loudness(fact) {
  if (fact.fact === "ended") return ["asked-stop", "asked-restart", "lease"].includes(fact.cause) ? "" : "bad";
  return LOUD[fact.fact] ?? "";
}

function drawFacts() {
  $("facts").replaceChildren(...seen.facts.slice(-FACTS_SHOWN).reverse().map((fact) => {
    const row = element("li", null, { "data-loud": loudness(fact) }), words = element("span");
    words.append(WORDS[current()].fact?.[fact.fact] ? factText(fact) : isolated(factText(fact)));
    row.append(element("time", clock(fact.at), { datetime: fact.at ?? "" }), words);
    return row;
  }));
  $("no-facts").hidden = seen.facts.length > 0;
}

function drawPast() {
  const past = seen.past;
  const now = Date.now() / 1000;
  drawStrip($("strip"), past?.spans ?? [], past ? Date.parse(past.until) / 1000 : now);
  const windows = Object.fromEntries((past?.uptime ?? []).map((one) => [one.window, one]));
  put("up24", past ? uptimePercent(windows["24h"]?.percent) : "–");
  const growth = past?.memory_growth;
  pairs($("past"), past ? [
    ...["24h", "7d", "30d"].map((name) => [say(`p_${name}`), uptimePercent(windows[name]?.percent)]),
    windows["7d"]?.mtbf_s && [say("p_mtbf"), duration(windows["7d"].mtbf_s)],
    windows["7d"]?.mttr_s && [say("p_mttr"), duration(windows["7d"].mttr_s)],
    past.longest_outage && [say("p_longest"), duration(past.longest_outage.length_s)],
    growth?.growing && [say("p_growth"), say("per_hour", size(growth.bytes_per_hour))],
  ] : []);
  if (span === "day") drawCharts();
}

function drawCharts() {
  $("figure-beat").hidden = span === "day";
  if (span === "now") {
    const column = (nth) => seen.points.map((point) => point[nth]);
    charts.memory.set(column(0), column(1));
    charts.cpu.set(column(0), column(2));
    charts.beat.set(column(0), column(3));
    return;
  }
  const times = (rows) => rows.map((row) => Date.parse(row.at) / 1000);
  const memory = seen.past?.memory ?? [], cpu = seen.past?.cpu ?? [];
  charts.memory.set(times(memory), memory.map((row) => row.bytes));
  charts.cpu.set(times(cpu), cpu.map((row) => row.percent));
}

function drawTokens() {
  const tokens = seen.tokens;
  $("tokens-card").hidden = !tokens || tokens.count === 0;
  if (!tokens) return;
  put("tokens-count", say("t_count", tokens.count, tokens.shown.length));
  $("tokens").replaceChildren(...tokens.shown.map((token) => {
    const kind = token.rise === null || Math.abs(token.rise) < 0.005 ? "flat" : token.rise > 0 ? "rise" : "fall";
    const row = element("tr"), name = element("td"), strong = element("b");
    strong.append(isolated(token.symbol || token.address.slice(0, 6)));
    const about = [token.name, token.low && say("t_low"), token.stopped && say("t_stopped")].filter(Boolean).join(" · ") || token.address;
    const small = element("small", null, { title: token.address });
    small.append(isolated(about));
    name.append(strong, small);
    small.dir = "auto";
    const cell = (text, kinds) => { const made = element("td", null, { class: kinds }); made.append(typeof text === "string" ? element("bdi", text, { dir: "ltr" }) : text); return made; };
    const moved = cell(change(token.rise), `num ${kind}`);
    moved.append(sparkline(token.history, `narrow ${kind}`)); // where the screen has no room for a column of its own
    const cost = cell(price(token.price), "num");
    cost.title = fullPrice(token.price);
    row.append(name, cost, moved, cell(change(token.most), "num wide"), cell(sparkline(token.history, kind), "line"));
    return row;
  }));
}

function lineElement(line) {
  return line === null ? element("div", say("log_gap"), { class: "gap", dir: "auto" }) : element("div", line);
}

function wanted(line) {
  const text = $("filter").value.toLowerCase();
  return !text || (line !== null && line.toLowerCase().includes(text));
}

function drawLog() {
  $("log").replaceChildren(...seen.lines.filter(wanted).map(lineElement));
  $("no-log").hidden = seen.lines.length > 0;
  toEnd();
}

function addLines(lines, missing) {
  const more = missing ? [null, ...lines] : lines;
  seen.lines = [...seen.lines, ...more].slice(-LINES_SHOWN);
  $("no-log").hidden = seen.lines.length > 0;
  const box = $("log"), fresh = more.slice(-LINES_SHOWN).filter(wanted);
  box.append(...fresh.map(lineElement));
  while (box.childElementCount > LINES_SHOWN) box.firstElementChild.remove();
  if (fresh.length) toEnd();
}

function toEnd() {
  const box = $("log");
  if (following) box.scrollTop = box.scrollHeight;
}

function drawIncidents() {
  const box = $("incidents"), rows = seen.incidents ?? [];
  $("incidents-card").hidden = rows.length === 0;
  const old = new Map([...box.children].map((one) => [one.dataset.name, one]));
  box.replaceChildren(...rows.map((row) => {
    const made = old.get(row.id) ?? incident(row), own = causeText(row);
    made.querySelector("summary > span").replaceChildren(own ?? isolated(row.text ?? row.id)); // anew: the language may have changed
    return made;
  }));
}

function incident(row) {
  const box = element("details", null, { "data-name": row.id }), head = element("summary"), small = element("small");
  small.append(isolated(row.at ? clock(row.at) : row.id));
  head.append(element("span"), " ", small);
  box.append(head);
  box.addEventListener("toggle", async () => {
    if (!box.open || box.dataset.loaded) return;
    const answer = await call(`incidents/${encodeURIComponent(row.id)}${query}`);
    if (!answer.ok) { show(say("failed", answer.why)); return; }
    box.dataset.loaded = "yes";
    for (const part of answer.data.parts) {
      const title = element("h4");
      title.append(isolated(part.file || row.id));
      box.append(title, element("pre", part.text, { tabindex: "0" }));
    }
  });
  return box;
}

function drawEveryone() {
  const rows = seen.everyone ?? [], here = key || rows[0]?.key;
  $("everyone-card").hidden = rows.length < 2;
  $("everyone").replaceChildren(...rows.map((one) => {
    const row = element("li", null, { "data-level": one.state === "stopped" ? "off" : level(one) }), place = element("small");
    const name = one.key === here ? element("b") : element("a", null, { href: one === rows[0] ? "./" : `?watchdog=${encodeURIComponent(one.key)}` });
    name.append(isolated(one.name));
    place.append(isolated(one.folder));
    row.append(element("span", null, { class: "lamp", "aria-hidden": "true" }), name, element("span", stateWords(one)), place);
    if (one.key === here) row.append(element("small", say("this_one")));
    return row;
  }));
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-word]")) {
    const text = say(place.dataset.word);
    if (place.textContent !== text) place.textContent = text;
  }
  $("filter").placeholder = say("filter_hint");
  $("language").textContent = current() === "ar" ? "English" : "العربية";
  $("language").lang = current() === "ar" ? "en" : "ar";
  put("theme", say(`theme_${root.dataset.theme ?? "auto"}`));
  drawLink();
  drawActions();
  drawState();
  drawFacts();
  drawPast();
  drawCharts();
  drawTokens();
  drawLog();
  drawIncidents();
  drawEveryone();
}

// --- the stream -----------------------------------------------------------------------------------------------

function drawLink() {
  const age = performance.now() - heardAt, on = stream && heardAt && !isLost && age < 20000;
  $("link").dataset.on = on ? "yes" : heardAt ? "no" : "";
  put("link-text", say(on ? "live" : heardAt ? "lost" : "connecting"));
  root.classList.toggle("stale", Boolean(heardAt) && !on);
}

function heard() {
  isLost = false;
  heardAt = performance.now();
  drawLink();
}

const HANDLERS = {
  whole(value) {
    Object.assign(seen, value);
    steadyAt = performance.now();
    drawAll();
  },
  state(value) {
    seen.state = value;
    steadyAt = performance.now();
    drawState();
  },
  pulse(value) {
    const report = seen.state;
    if (!report) return;
    if (report.child) Object.assign(report.child, { uptime_s: value.uptime_s, cpu_percent: value.cpu_percent, rss_bytes: value.rss_bytes });
    if (report.heartbeat) report.heartbeat.age_s = value.age_s;
    if (report.log) report.log.size_bytes = value.size_bytes;
    report.next_start_s = value.next_start_s;
    report.pause_left_s = value.pause_left_s;
    steadyAt = performance.now();
    seen.points.push(value.point);
    if (seen.points.length > POINTS_KEPT) seen.points.shift();
    drawMoving();
    if (span === "now") drawCharts();
  },
  facts(value) {
    seen.facts = [...seen.facts, ...value].slice(-FACTS_SHOWN);
    drawFacts();
  },
  lines(value) { addLines(value.lines, value.missing); },
  past(value) { seen.past = value; drawPast(); },
  tokens(value) { seen.tokens = value; drawTokens(); },
  incidents(value) { seen.incidents = value; drawIncidents(); },
  everyone(value) { seen.everyone = value; drawEveryone(); },
  keepalive(value) { seen.keepalive = value; drawAbout(); },
};

function connect() {
  stream?.close();
  stream = new EventSource(`events${query}`);
  for (const [name, handle] of Object.entries(HANDLERS)) {
    stream.addEventListener(name, (event) => { heard(); handle(JSON.parse(event.data)); });
  }
  stream.addEventListener("error", async () => {
    isLost = true;
    drawLink();
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    stream = null;
    const answer = await call(`status${query}`);
    if (answer.status === 401) lock();
    else setTimeout(() => { if (!stream && !locked) connect(); }, answer.status === 404 ? 30000 : 3000);
    if (answer.status === 404 || answer.status === 403) show(answer.why);
  });
}

function lock() {
  locked = true;
  csrf = "";
  show(say("must_sign"));
  drawActions();
  $("login").showModal();
}

// A page that nobody looks at needs no stream; a phone in a pocket saves its battery.
let hiddenTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => { stream?.close(); stream = null; }, 60000);
  else if (!stream && !locked) connect();
});
setInterval(() => { if (!document.hidden) drawLink(); }, 5000);

// --- asking ---------------------------------------------------------------------------------------------------

async function call(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
    const data = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, data, why: data.error ?? String(answer.status) };
  } catch {
    return { ok: false, status: 0, data: {}, why: say("unreachable") };
  }
}

let noticeTimer = 0;
function show(text, soon = false) {
  clearTimeout(noticeTimer);
  $("notice").textContent = text;
  $("notice").hidden = !text;
  if (soon) noticeTimer = setTimeout(() => { $("notice").hidden = true; }, 6000);
}

async function act(action, body = {}) {
  for (const button of $("actions").children) button.disabled = true;
  show(say("doing"));
  const answer = await call(`actions/${action}${query}`, body);
  for (const button of $("actions").children) button.disabled = false;
  show(answer.ok ? say("done") : say("failed", answer.why), answer.ok);
  if (answer.status === 401) { csrf = ""; drawActions(); $("login").showModal(); }
}

function askFirst(action) {
  const box = $("ask"), choice = $("ask-for");
  put("ask-title", say(action));
  put("ask-text", say(`ask_${action}`, seen.state?.name ?? root.dataset.name));
  put("ask-yes", say(action));
  $("ask-yes").className = action === "stop" ? "danger" : "main";
  $("ask-pause").hidden = action !== "pause";
  choice.replaceChildren(...[["10m", "for_10m"], ["1h", "for_1h"], ["8h", "for_8h"], ["", "for_ever"]].map(([value, word]) => element("option", say(word), { value })));
  $("ask-form").onsubmit = () => { act(action, action === "pause" && choice.value ? { for: choice.value } : {}); };
  box.showModal();
}

for (const action of ["restart", "pause", "resume", "stop"]) $(action).addEventListener("click", () => askFirst(action));
$("ask-no").addEventListener("click", () => $("ask").close());
$("login-no").addEventListener("click", () => $("login").close());
$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await call("login", { token: $("token").value });
  put("login-error", answer.ok ? "" : answer.status === 401 ? say("wrong") : answer.status === 429 ? say("wait") : answer.why);
  if (!answer.ok) { $("token").select(); return; }
  $("token").value = "";
  csrf = answer.data.csrf;
  $("login").close();
  show("");
  drawActions();
  if (locked) { locked = false; connect(); }
});
$("sign").addEventListener("click", async () => {
  if (!csrf) { put("login-error", ""); $("login").showModal(); return; }
  await call("logout", {});
  csrf = "";
  location.reload();
});
$("language").addEventListener("click", () => { setLanguage(current() === "ar" ? "en" : "ar"); drawAll(); });
$("theme").addEventListener("click", () => {
  const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme ?? "auto"];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  try { localStorage.setItem("watchdog-theme", next); } catch { /* then it lasts as long as this page */ }
  put("theme", say(`theme_${next}`));
  for (const chart of Object.values(charts)) chart.redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const chart of Object.values(charts)) chart.redraw(); });
$("span").addEventListener("click", (event) => {
  const chosen = event.target.dataset.span;
  if (!chosen) return;
  span = chosen;
  for (const button of $("span").children) button.setAttribute("aria-pressed", String(button.dataset.span === chosen));
  drawCharts();
});
$("filter").addEventListener("input", drawLog);
$("follow").addEventListener("click", () => {
  following = !following;
  $("follow").setAttribute("aria-pressed", String(following));
  toEnd();
});
$("log").addEventListener("scroll", () => {
  const box = $("log"), atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  if (atEnd !== following) { following = atEnd; $("follow").setAttribute("aria-pressed", String(following)); }
}, { passive: true });

drawAll();
connect();
