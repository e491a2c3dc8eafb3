"use strict";
// Everything shown is set as text; nothing that the API says is ever read as markup.

const POLL_MS = 1500;
const JOBS_SHOWN = 20;
const API = "/api/v1";
const state = { token: sessionStorage.getItem("token"), job: null, paused: false, round: 0 };
const at = (id) => document.getElementById(id);

// ---- the API

class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function call(path, body) {
  const headers = { Accept: "application/json" };
  if (state.token) headers.Authorization = "Bearer " + state.token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(API + path, { method, headers, body: text, signal: AbortSignal.timeout(20000) });
  const told = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, told.detail);
  return told;
}

async function command(what, path, body) {
  try {
    const told = await call(path, body);
    say(what + ": accepted.");
    poll();
    return told;
  } catch (error) {
    handle(error, what, say);
    return null;
  }
}

// ---- words

const say = (text) => { at("said").textContent = text; };

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

function ago(time) {
  if (time === null) return "";
  const seconds = Math.round((Date.now() - Date.parse(time)) / 1000);
  return seconds < 0 ? "in " + length(-seconds * 1000) : length(seconds * 1000) + " ago";
}

function length(ms) {
  if (ms === null) return "–";
  if (ms < 1000) return Math.round(ms) + " ms";
  if (ms < 120000) return (ms / 1000).toFixed(1).replace(/\.0$/, "") + " s";
  if (ms < 7200000) return Math.round(ms / 60000) + " min";
  return ms < 172800000 ? Math.round(ms / 3600000) + " h" : Math.round(ms / 86400000) + " d";
}

const COLOURS = {
  good: ["operational", "running", "closed", "completed", "live", "success"],
  warn: [
    "degraded", "starting", "restarting", "suspended", "half_open", "retry", "retry_scheduled", "in_progress",
    "creating",
  ],
  bad: ["down", "not running", "stopped", "open", "failed"],
};
const colour = (word) => Object.keys(COLOURS).find((name) => COLOURS[name].includes(word)) || "";

// ---- the page's parts

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) set(element, text);
  if (className) element.className = className;
  return element;
}

function set(element, value) {
  const text = value === null || value === undefined ? "" : String(value);
  if (element.textContent !== text) element.textContent = text;
}

function badge(element, word) {
  set(element, word);
  element.className = "badge " + colour(word);
}

function badged(cell, word) {
  if (!cell.firstChild) cell.append(make("span"));
  badge(cell.firstChild, word);
}

// Rows are kept by key and changed in place, so that the keyboard's focus stays where it is.
function rows(parent, items, keyOf, build, update) {
  const known = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    const row = known.get(key) || build(item);
    known.delete(key);
    row.dataset.key = key;
    update(row, item);
    if (parent.children[index] !== row) parent.insertBefore(row, parent.children[index] || null);
  });
  known.forEach((row) => row.remove());
}

function tableRow(classes) {
  const row = make("tr");
  classes.forEach((name) => row.append(make("td", undefined, name)));
  return row;
}

function fill(row, values) {
  values.forEach((value, index) => { if (value !== undefined) set(row.cells[index], value); });
}

// ---- panels

function showStatus(status) {
  badge(at("worker"), status.worker.status);
  badge(at("scheduler"), status.scheduler.is_running ? "running" : "not running");
  const own = status.scheduler;
  set(at("settings"), `poll ${own.poll_interval}, ${own.active_jobs} of ${own.max_concurrency} job actors busy`);
}

function showTotals(metrics) {
  const processed = metrics.total_jobs_processed;
  const share = processed ? (100 * metrics.successful_jobs / processed).toFixed(1) + " %" : "–";
  const tiles = [
    ["Active", metrics.active_jobs], ...Object.entries(metrics.jobs_by_status),
    ["Oldest due", length(metrics.oldest_due_job_age_ms)], ["Processed", processed], ["Succeeded", share],
    ["Failed", metrics.failed_jobs], ["Average", length(metrics.average_duration_ms)],
    ["Last", ago(metrics.last_processed_at) || "–"],
    ...Object.entries(metrics.errors_by_type).map(([type, count]) => ["Error " + type, count]),
  ];
  rows(at("totals"), tiles, ([name]) => name, () => {
    const tile = make("div");
    tile.append(make("dt"), make("dd"));
    return tile;
  }, (tile, [name, value]) => {
    set(tile.children[0], name.replace("_", " "));
    set(tile.children[1], value);
  });
}

function showChains(items) {
  rows(at("chains"), items, (one) => one.chain,
    () => tableRow(["", "", "", "", "number", "number", "wide"]),
    (row, one) => {
      const force = one.forced;
      const until = force && force.until ? " until " + new Date(force.until).toLocaleString() : "";
      const forced = force && `${force.state} by ${force.by}${until}, else ${force.measured}`;
      fill(row, [one.chain, undefined, forced, ago(one.opened_at), one.in_flight, one.waiting, one.reason]);
      badged(row.cells[1], one.breaker);
    });
}

function showClaiming(order) {
  const until = order && order.until ? " until " + new Date(order.until).toLocaleString() : "";
  set(at("paused"), order && `Nothing is claimed: ${order.state} by ${order.placed_by}${until}, ${order.reason}`);
  at("paused").hidden = !order;
}

function buildActor(actor) {
  const row = tableRow(["code path", "", "number", "number", "number", "number", "wide", "wide", ""]);
  const button = make("button", "Kill", "danger");
  button.type = "button";
  button.setAttribute("aria-label", "Kill " + actor.path);
  button.addEventListener("click", () => askKill(actor.path));
  row.cells[8].append(button);
  const depth = actor.path === "/" ? 0 : actor.path.split("/").length;
  row.cells[0].style.paddingLeft = 0.6 + 1.2 * depth + "rem";
  return row;
}

function crashed(crash) {
  const over = crash.message ? ` over ${crash.message}` : "";
  const trace = crash.trace_id ? `, trace ${crash.trace_id}` : "";
  return `${ago(crash.at)}: ${crash.reason}${over} in life ${crash.incarnation}, ${crash.error}${trace}`;
}

function showActors(items) {
  rows(at("actors"), items, (actor) => actor.path, buildActor, (row, actor) => {
    const work = actor.working_on;
    const crash = actor.last_crash;
    const waiting = actor.mailbox.depth ? `${actor.mailbox.depth} (${length(actor.mailbox.oldest_age_ms)})` : 0;
    fill(row, [
      actor.path, undefined, actor.incarnation, actor.restarts, actor.zombies, waiting,
      work && [work.message, work.job_id, "for " + length(work.for_ms)].filter(Boolean).join(" "),
      crash && crashed(crash),
    ]);
    row.title = actor.class;
    row.cells[7].title = crash ? [crash.shown, crash.stack].filter(Boolean).join("\n\n") : "";
    badged(row.cells[1], actor.suspended ? "suspended" : actor.state);
  });
}

function buildJob(job) {
  const row = tableRow(["", "", "number", "", "wide", "", ""]);
  const button = make("button", job.id, "link code");
  button.type = "button";
  button.addEventListener("click", () => openJob(job.id));
  row.cells[0].append(button);
  row.cells[3].append(make("div", undefined, "pills"));
  return row;
}

function showJobs(items) {
  rows(at("jobs"), items, (job) => job.id, buildJob, (row, job) => {
    const error = job.error_type && `${job.error_type}: ${job.error_message}`;
    const next = job.status === "retry" ? ago(job.next_retry_at) : "";
    fill(row, [
      undefined, undefined, `${job.attempt_count} / ${job.max_attempts}`, undefined, error, next,
      ago(job.created_at),
    ]);
    badged(row.cells[1], job.status);
    rows(row.cells[3].firstChild, job.wallets, (one) => one.chain, () => make("span"), (pill, one) => {
      set(pill, one.chain + " " + one.status);
      pill.className = "badge " + colour(one.status);
      pill.title = checksummed(one.address) || one.error_message || "";
    });
    row.setAttribute("aria-selected", String(job.id === state.job));
  });
  at("no-jobs").hidden = items.length > 0;
}

function showJob(job) {
  set(at("job-title"), "Job " + job.id);
  badge(at("job-status"), job.status);
  set(at("job-facts"), [`user ${job.user_id}`, `from ${job.source}`, job.crash_count && `${job.crash_count} crashes`,
    job.error_message, job.trace_id && `trace ${job.trace_id}`].filter(Boolean).join(", "));
  at("job-retry").disabled = !["failed", "cancelled", "retry"].includes(job.status);
  at("job-cancel").disabled = !["queued", "in_progress", "retry"].includes(job.status);
  rows(at("job-wallets"), job.wallets, (one) => one.chain,
    () => tableRow(["", "", "", "", "code", "wide"]),
    (row, one) => {
      fill(row, [one.chain, one.blockchain, undefined, one.account_type, checksummed(one.address), one.error_message]);
      badged(row.cells[2], one.status);
    });
  rows(at("timeline"), job.timeline, (entry) => entry.id, buildEntry, () => {});
}

function buildEntry(entry) {
  const item = make("li");
  const status = make("span");
  badge(status, entry.status);
  const time = make("time", new Date(entry.created_at).toLocaleString());
  time.dateTime = entry.created_at;
  item.append(time, " ", make("strong", entry.action), " ", status, " by " + entry.actor);
  if (entry.error_message) item.append(": " + entry.error_message);
  item.append(make("div", JSON.stringify(entry.changes), "code"));
  return item;
}

// ---- commands

function openJob(id) {
  state.job = id;
  at("timeline").replaceChildren();
  poll().then(() => {
    at("job").hidden = false;
    at("job").focus();
  });
}

function closeJob() {
  state.job = null;
  at("job").hidden = true;
  at("jobs-title").scrollIntoView();
}

function answerOf(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

async function askKill(path) {
  set(at("kill-title"), "Kill " + path);
  set(at("kill-warning"), path === "/" ? "This is the root: the daemon ends with exit code 1." : "");
  at("kill-dialog").querySelector("form").reset();
  const answer = await answerOf(at("kill-dialog"));
  if (answer !== "kill") {
    say("Nothing was killed.");
    return;
  }
  const mode = at("kill-dialog").querySelector("input[name=mode]:checked").value;
  const reason = at("kill-reason").value.trim() || null;
  await command(`Kill ${path} (${mode})`, `/admin/actors/${encodeURIComponent(path)}/kill`, { mode, reason });
}

async function askToken() {
  if (at("token-dialog").open) return;
  at("token").value = "";
  await answerOf(at("token-dialog"));
  state.token = at("token").value.trim() || null;
  if (state.token) sessionStorage.setItem("token", state.token);
  poll();
}

function signOut() {
  sessionStorage.removeItem("token");
  state.token = null;
  poll();
}

function handle(error, what, show) {
  if (error.status === 401) {
    sessionStorage.removeItem("token");
    state.token = null;
    show("A token is needed.");
    askToken();
  } else if (error instanceof Refused) {
    show(`${what}: ${error.message}`);
  } else {
    show(`${what}: the daemon does not answer. This page goes on asking.`);
  }
}

// ---- the loop

async function poll() {
  const round = ++state.round;
  try {
    const asked = [
      call("/admin/workers/status"), call("/admin/workers/metrics"), call("/admin/chains"),
      call("/admin/actors"), call("/admin/jobs?" + jobQuery()), call("/admin/controls"),
      state.job ? call("/admin/jobs/" + state.job) : null,
    ];
    const [status, metrics, chains, actors, jobs, controls, job] = await Promise.all(asked);
    if (round !== state.round) return; // a later round has begun
    showStatus(status);
    showTotals(metrics);
    showChains(chains.items);
    showClaiming(controls.claiming);
    showActors(actors.items);
    showJobs(jobs.items);
    if (job && job.id === state.job) showJob(job);
    trouble("");
    set(at("updated"), "as of " + new Date().toLocaleTimeString());
    at("sign-out").hidden = !state.token;
  } catch (error) {
    if (round === state.round) handle(error, "Refresh", trouble);
  }
}

function jobQuery() {
  const query = new URLSearchParams({ limit: JOBS_SHOWN });
  if (at("filter-status").value) query.set("status", at("filter-status").value);
  if (at("filter-user").value.trim()) query.set("user_id", at("filter-user").value.trim());
  return query;
}

async function run() {
  for (;;) {
    const asleep = state.paused || document.hidden || at("token-dialog").open;
    if (!asleep) await poll();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function togglePause() {
  state.paused = !state.paused;
  at("pause").setAttribute("aria-pressed", String(state.paused));
  set(at("pause"), state.paused ? "Go on" : "Pause");
}

at("pause").addEventListener("click", togglePause);
at("sign-out").addEventListener("click", signOut);
at("restart").addEventListener("click", () => command("Restart scheduler", "/admin/workers/restart", {}));
at("job-close").addEventListener("click", closeJob);
at("job-retry").addEventListener("click", () => command("Retry", `/admin/jobs/${state.job}/retry`, {}));
at("job-cancel").addEventListener("click", () => command("Cancel", `/admin/jobs/${state.job}/cancel`, {}));
at("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  poll();
});
run();
