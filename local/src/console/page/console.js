// The console: what the embedded cloud holds, live, and a WebSocket client for its APIs.
//
// One stream of server-sent events fills `state`, section by section; each view draws its sections when it's seen. All text
// from the cloud becomes text nodes, never markup: the page's policy allows nothing else.
"use strict";

// ---------------------------------------------------------------------------------------------------------- small tools

const $ = (id) => document.getElementById(id);

/** An element: `el("td.n", {title: "…"}, "text", child)`. */
function el(kind, attributes, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) if (child != null && child !== "") made.append(child);
  return made;
}

const plural = (count, one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
const two = (number) => String(number).padStart(2, "0");

function clock(at, exactly = true) {
  const date = new Date(at);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return exactly ? `${time}.${String(date.getMilliseconds()).padStart(3, "0")}` : time;
}

function lasted(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

const ago = (at) => lasted((Date.now() - at) / 1000);
const took = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const bytes = (count) => (count < 1024 ? `${count} B` : `${(count / 1024).toFixed(1)} KB`);
const after = (text, mark) => text.slice(text.lastIndexOf(mark) + 1);

function parsed(text) {
  const start = text.trimStart()[0];
  if (start !== "{" && start !== "[") return undefined;
  try { return JSON.parse(text); } catch { return undefined; }
}

/** JSON that doesn't fit a line is laid out, all else stays as it came. */
function laidOut(text) {
  const value = parsed(text);
  return value === undefined || text.length < 90 ? text : JSON.stringify(value, null, 2);
}

const store = {
  get(name, otherwise) { try { return JSON.parse(sessionStorage.getItem(name)) ?? otherwise; } catch { return otherwise; } },
  set(name, value) { try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* it's only a convenience */ } },
};

// -------------------------------------------------------------------------------------------------------- what is there

const state = { cloud: null, apis: [], queues: [], functions: [], mappings: [], connections: [], open: 0, alarms: [], roles: [], tables: [] };
const views = {};
let isUp = false;
let view = "send";
let dirty = new Set();
let drawing = false;

/** Draws what changed, at the next frame. */
function changed(...sections) {
  for (const section of sections) dirty.add(section);
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const sections = dirty;
    dirty = new Set();
    drawCounts();
    for (const [name, draw] of Object.entries(views)) if (name === view || name === "always") draw(sections);
  });
}

function drawCounts() {
  const count = (id, number) => { $(id).textContent = number.toLocaleString("en"); $(id).hidden = number === 0; };
  count("n-connections", state.open);
  const letters = deadLetterQueues();
  const dead = state.queues.filter((queue) => letters.has(queue.arn)).reduce((sum, queue) => sum + queue.counts.visible, 0);
  const waiting = state.queues.reduce((sum, queue) => sum + queue.counts.visible + queue.counts.delayed, 0);
  count("n-queues", dead || waiting);
  $("n-queues").classList.toggle("bad", dead > 0);
  $("n-queues").title = dead ? plural(dead, "dead letter") : plural(waiting, "message");
  const alarms = state.alarms.filter((alarm) => alarm.state === "ALARM").length;
  count("n-alarms", alarms);
  $("n-alarms").title = plural(alarms, "alarm");
  $("nothing").hidden = !state.cloud || state.apis.length + state.functions.length + state.queues.length > 0;
  document.title = isUp ? (alarms ? `(${alarms}) wsless` : "wsless") : "(gone) wsless";
}

function deadLetterQueues() {
  const sources = new Map();
  for (const queue of state.queues) {
    if (!queue.dead_letters) continue;
    sources.set(queue.dead_letters, [...(sources.get(queue.dead_letters) || []), queue.name]);
  }
  return sources;
}

/** The region beside a name, where there is more than one. */
function where(thing) {
  const regions = new Set([...state.apis, ...state.queues, ...state.functions].map((one) => one.region));
  return regions.size > 1 ? thing.region : "";
}

let noticeTimer = 0;
function notice(text, lasts = 8000, kind = "") {
  $("notice").className = kind;
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(noticeTimer);
  if (text && lasts) noticeTimer = setTimeout(() => { $("notice").hidden = true; measure(); }, lasts);
  measure();
}

/** Asks the cloud for something, or to do something. */
async function ask(path, input) {
  let response;
  try {
    response = await fetch(`/_wsless/console/${path}`, input && {
      method: "POST",
      headers: { "content-type": "application/json", "x-wsless-console": "1" },
      body: JSON.stringify(input),
    });
  } catch {
    throw new Error("The cloud doesn't answer");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message || `The cloud answered ${response.status}`);
  return answer;
}

async function act(path, input) {
  try { await ask(path, input); return true; } catch (error) { notice(error.message); return false; }
}

// ------------------------------------------------------------------------------------------------------------ the stream

let stream = null;
let heard = 0;
let edition = null;
let retry = 500;
let began = 0;

function follow() {
  stream?.close();
  stream = new EventSource("/_wsless/console/events");
  began = heard = Date.now();
  let first = true;
  const on = (name, act) => stream.addEventListener(name, (event) => { heard = Date.now(); act(JSON.parse(event.data)); });
  on("overview", (sections) => {
    if (sections.cloud) meet(sections.cloud);
    Object.assign(state, sections);
    changed(...Object.keys(sections));
  });
  on("logs", (logs) => { hear(logs, first); first = false; });
  on("beat", () => {});
  stream.onerror = () => lost();
}

/** The cloud is there, maybe another one than before. */
function meet(cloud) {
  if (edition && edition !== cloud.edition) return location.reload();
  edition = cloud.edition;
  const before = state.cloud;
  const was = isUp;
  isUp = true;
  retry = 500;
  if (before && before.id !== cloud.id) {
    Object.assign(state, { apis: [], queues: [], functions: [], mappings: [], connections: [], open: 0, alarms: [], roles: [], tables: [] });
    note("another cloud began");
  } else if (before && !was) {
    note("the cloud is back");
  }
  if (before && !was) notice("");
  $("cloud").className = "is-up";
  const traits = [cloud.fidelity === "instant" ? "" : cloud.fidelity, cloud.keeps ? "kept" : ""].filter(Boolean);
  $("cloud-text").textContent = [`running at ${after(cloud.endpoint, "/")}`, ...traits].join(", ");
  $("cloud").title = `wsless ${cloud.version}, cloud ${cloud.id}`;
  socket.cloudIsBack();
}

function lost() {
  stream.close();
  if (isUp || !state.cloud) {
    $("cloud").className = "is-gone is-waiting";
    $("cloud-text").textContent = "gone; trying again";
    if (isUp) {
      notice("The cloud ended. The page shows what was there last, and goes on when it's back.", 0);
      note("the cloud ended");
      socket.cloudIsGone();
    }
    isUp = false;
    drawCounts();
    changed("cloud");
  }
  setTimeout(follow, retry);
  retry = Math.min(retry * 1.5, 3000);
}

// A line that is half open says nothing: then it's made anew.
setInterval(() => { if (isUp && !document.hidden && Date.now() - heard > 20000 && Date.now() - began > 20000) lost(); }, 5000);

// ---------------------------------------------------------------------------------------------------------------- views

const names = ["send", "connections", "queues", "logs", "resources", "metrics"];

function show() {
  const wanted = location.hash.slice(1);
  view = names.includes(wanted) ? wanted : "send";
  document.body.dataset.view = view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  changed("view");
  lines.draw();
}

function measure() {
  const notice = $("notice").hidden ? 0 : $("notice").offsetHeight;
  document.documentElement.style.setProperty("--head", `${document.querySelector("header").offsetHeight + notice}px`);
}

/**
 * A table whose rows stay the same elements while they change, so that focus and what is half done stay.
 * A column: {name, kind, of: (row) => text, node or [text, class]}, or {acts: (current) => [buttons]}, made once a row.
 */
function table(holder, columns, rows, keyOf, empty) {
  holder.rows ??= new Map();
  if (!rows.length) {
    holder.rows.clear();
    if (holder.firstChild?.className !== "empty" || holder.firstChild.textContent !== empty) holder.replaceChildren(el("p.empty", {}, empty));
    return;
  }
  let body = holder.querySelector("tbody");
  if (!body) {
    body = el("tbody");
    const heads = columns.map((column) => el(`th${column.kind === "n" ? ".n" : ""}`, { scope: "col" }, column.name || el("span.unseen", {}, "What can be done")));
    holder.replaceChildren(el("div.table", {}, el("table", {}, el("thead", {}, el("tr", {}, heads)), body)));
  }
  const seen = new Set();
  rows.forEach((row, index) => {
    const key = keyOf(row);
    seen.add(key);
    let kept = holder.rows.get(key);
    if (!kept) {
      kept = { row, cells: [], said: [] };
      const current = () => kept.row;
      kept.cells = columns.map((column) => el(`td${column.kind ? `.${column.kind}` : ""}`, { "data-label": column.name }, column.acts ? column.acts(current) : []));
      kept.line = el("tr", { "data-key": key }, kept.cells);
      holder.rows.set(key, kept);
    }
    kept.row = row;
    columns.forEach((column, place) => {
      if (column.acts) return;
      const found = column.of(row);
      const [content, kind] = Array.isArray(found) ? found : [found, ""];
      const said = `${content?.outerHTML ?? content}|${kind}`;
      if (kept.said[place] === said) return;
      kept.said[place] = said;
      const cell = kept.cells[place];
      cell.replaceChildren(...(content == null || content === "" ? [] : [content]));
      cell.className = [column.kind, kind].filter(Boolean).join(" ");
    });
    if (body.children[index] !== kept.line) body.insertBefore(kept.line, body.children[index] || null);
  });
  for (const [key, kept] of holder.rows) if (!seen.has(key)) { kept.line.remove(); holder.rows.delete(key); }
}

const both = (main, small) => el("span", {}, main, small ? el("small", {}, small) : null);
const tag = (text, kind = "") => el(`span.tag${kind && `.${kind}`}`, {}, text);
const number = (count, bad) => [count.toLocaleString("en"), count === 0 ? "zero" : bad ? "bad" : "some"];

/** A button that has to be pressed twice. */
function sure(label, question, perform) {
  const button = el("button", { type: "button" }, label);
  let timer = 0;
  const calm = () => { clearTimeout(timer); button.textContent = label; button.classList.remove("sure"); };
  button.addEventListener("blur", calm);
  button.addEventListener("keydown", (event) => { if (event.key === "Escape") calm(); });
  button.addEventListener("click", () => {
    if (button.classList.contains("sure")) { calm(); perform(); return; }
    button.textContent = question();
    button.classList.add("sure");
    timer = setTimeout(calm, 5000);
  });
  return button;
}

// ----------------------------------------------------------------------------------------------------------------- send

const FRAMES = 500;

/** The frame that a selection expression would send this way: `{"action":"ping"}` for `$request.body.action`. */
function proposal(expression, route) {
  if (route === "" || route === "$default") return route && "hello";
  const paths = [];
  let pattern = "^";
  let from = 0;
  for (const found of expression.matchAll(/\$\{request\.body\.([\w.-]+)\}|\$request\.body\.([\w.-]+)/g)) {
    pattern += quoted(expression.slice(from, found.index)) + "(.+?)";
    paths.push((found[1] || found[2]).split("."));
    from = found.index + found[0].length;
  }
  const values = new RegExp(pattern + quoted(expression.slice(from)) + "$").exec(route);
  if (!values || !paths.length) return "{}";
  const frame = {};
  paths.forEach((path, index) => {
    let at = frame;
    for (const part of path.slice(0, -1)) at = at[part] = typeof at[part] === "object" ? at[part] : {};
    at[path.at(-1)] = values[index + 1];
  });
  return JSON.stringify(frame);
}

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

const socket = {
  line: null, wanted: false, wasOpen: false, lostAt: 0, sent: [], back: 0, last: null, drafts: store.get("drafts", {}),

  /** What can be connected to: each stage with its API. */
  stages() {
    return state.apis.flatMap((api) => api.stages.map(([stage]) => ({
      api, stage,
      key: `${api.region}/${api.name}/${stage}`,
      routes: (api.deployed[stage] || []).filter((route) => route !== "$connect" && route !== "$disconnect"),
      isDeployed: stage in api.deployed,
    })));
  },
  chosen() { return this.stages().find((one) => one.key === $("stage").value); },
  route() { return document.querySelector("input[name=route]:checked")?.value ?? ""; },
  draft() { return `${$("stage").value} ${this.route()}`; },

  address(stage) {
    const query = $("query").value.trim().replace(/^\?/, "");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${location.host}/_aws/execute-api/${stage.api.apiId}/${encodeURIComponent(stage.stage)}${query && `?${query}`}`;
  },

  drawStages() {
    const stages = this.stages();
    const list = $("stage");
    const said = JSON.stringify(stages.map((one) => [one.key, where(one.api)]));
    if (list.dataset.said !== said) {
      const before = list.value || store.get("stage", "");
      list.dataset.said = said;
      list.replaceChildren(...stages.map((one) => el("option", { value: one.key }, `${one.api.name} / ${one.stage}${where(one.api) && `, ${one.api.region}`}`)));
      if (!stages.length) list.append(el("option", { value: "" }, "no stage is there"));
      if (stages.some((one) => one.key === before)) list.value = before;
    }
    this.drawRoutes();
    this.drawState();
  },

  drawRoutes() {
    const stage = this.chosen();
    const routes = [...(stage?.routes ?? []).toSorted((a, b) => a.startsWith("$") - b.startsWith("$") || a.localeCompare(b)), ""];
    const said = JSON.stringify([stage?.key, routes]);
    if ($("routes").dataset.said === said) return;
    $("routes").dataset.said = said;
    const before = this.route();
    const options = routes.map((route) => el("label.route", {},
      el("input", { type: "radio", name: "route", value: route, checked: route === (routes.includes(before) && before ? before : routes[0]) }),
      el("span", {}, route || "raw text")));
    $("routes").replaceChildren($("routes").querySelector("legend"), ...options);
    this.propose();
  },

  propose() {
    const stage = this.chosen();
    $("text").value = this.drafts[this.draft()] ?? (stage ? proposal(stage.api.routeSelectionExpression, this.route()) : "");
    this.drawText();
  },

  drawText() {
    const text = $("text").value;
    const starts = ["{", "["].includes(text.trimStart()[0]);
    const size = new TextEncoder().encode(text).length;
    $("frame-state").textContent = size > 32 * 1024 ? `${bytes(size)}: API Gateway takes frames of 32 KB at most` : starts && parsed(text) === undefined ? "not JSON: it goes to $default as it is" : "";
  },

  drawState() {
    const stage = this.chosen();
    const isOpen = this.line?.readyState === WebSocket.OPEN;
    const isOpening = this.line?.readyState === WebSocket.CONNECTING;
    $("connect").textContent = isOpen ? "Disconnect" : isOpening ? "Cancel" : "Connect";
    $("connect").classList.toggle("main", !isOpen && !isOpening);
    $("connect").disabled = !this.line && (!stage || !isUp);
    $("send").disabled = !isOpen;
    $("stage").disabled = $("query").disabled = $("subprotocol").disabled = Boolean(this.line);
    $("address").textContent = this.line?.url ?? (stage ? this.address(stage) : "");
    $("socket-state").replaceChildren(...(isOpen ? [tag("connected", "good")] : isOpening ? [tag("connecting", "warn")] : stage && !stage.isDeployed ? [tag("nothing is deployed on it", "warn")] : []));
  },

  connect() {
    const stage = this.chosen();
    if (!stage) return;
    store.set("stage", stage.key);
    const protocols = $("subprotocol").value.split(/[\s,]+/).filter(Boolean);
    const began = performance.now();
    let line;
    try {
      line = new WebSocket(this.address(stage), protocols);
    } catch (error) {
      this.frame("note wrong", "!", `can't connect: ${error.message}`);
      return;
    }
    this.line = line;
    this.wasOpen = false;
    this.last = null;
    line.binaryType = "arraybuffer";
    line.onopen = () => {
      this.wanted = this.wasOpen = true;
      this.frame("note", "·", `connected to ${stage.api.name} / ${stage.stage}${line.protocol && `, speaking ${line.protocol}`}`, took(performance.now() - began));
      this.drawState();
    };
    line.onmessage = ({ data }) => {
      const now = performance.now();
      const text = typeof data === "string" ? data : `${bytes(data.byteLength)} of binary data`;
      const trip = this.last === null ? "" : took(now - this.last);
      this.last = null;
      this.frame("in", "↓", text, trip, "since the last frame that was sent");
    };
    line.onclose = ({ code, reason }) => {
      if (this.line !== line) return;
      this.line = null;
      this.lostAt = Date.now();
      const why = this.wasOpen
        ? (code === 1006 ? "the line was cut" : `closed, ${code}${reason && `: ${reason}`}`)
        : isUp ? "refused: $connect or its authorizer said no, or nothing is deployed; the logs say more" : "the cloud doesn't answer";
      this.frame(code === 1000 || code === 1005 ? "note" : "note wrong", "·", why);
      this.drawState();
      if (!isUp) this.cloudIsGone();
    };
    this.drawState();
  },

  disconnect() {
    const line = this.line;
    this.wanted = false;
    if (line?.readyState === WebSocket.CONNECTING) { this.line = null; line.close(); this.drawState(); return; }
    line?.close(1000);
  },

  cloudIsGone() { this.resume = this.wanted && (this.line !== null || Date.now() - this.lostAt < 10000); },
  cloudIsBack() { /* its stages come with the sections */ },

  /** Goes on where the cloud's end cut it, once its stage is there again. */
  goOn() {
    if (!this.resume || this.line || !isUp || !this.chosen()?.isDeployed) return;
    this.resume = false;
    this.connect();
  },

  send() {
    const text = $("text").value;
    if (this.line?.readyState !== WebSocket.OPEN) return;
    this.last = performance.now();
    this.line.send(text);
    this.frame("out", "↑", text);
    if (this.sent.at(-1) !== text) this.sent.push(text);
    this.sent.splice(0, this.sent.length - 100);
    this.back = this.sent.length;
  },

  recall(step) {
    if (!this.sent.length) return;
    this.back = Math.min(Math.max(this.back + step, 0), this.sent.length - 1);
    $("text").value = this.sent[this.back];
    this.drawText();
  },

  frame(kind, way, text, trip = "", why) {
    const list = $("frames");
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const size = kind === "in" || kind === "out" ? bytes(new TextEncoder().encode(text).length) : "";
    const label = { in: "received", out: "sent" }[kind];
    list.append(el(`li.${kind.split(" ").join(".")}`, {},
      el("time", {}, clock(Date.now())),
      el("span.way", label ? { role: "img", "aria-label": label, title: label } : { "aria-hidden": "true" }, way),
      el("pre", {}, laidOut(text)),
      el("span.took", { title: trip && why }, [trip, size].filter(Boolean).join(" · "))));
    while (list.children.length > FRAMES) list.firstChild.remove();
    $("no-frames").hidden = true;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  },
};

$("socket").addEventListener("submit", (event) => { event.preventDefault(); if (socket.line) socket.disconnect(); else socket.connect(); });
$("socket").addEventListener("input", () => { socket.drawRoutes(); socket.drawState(); });
$("stage").addEventListener("change", () => store.set("stage", $("stage").value));
$("routes").addEventListener("change", () => socket.propose());
$("frame").addEventListener("submit", (event) => { event.preventDefault(); socket.send(); });
$("text").addEventListener("input", () => { socket.drafts[socket.draft()] = $("text").value; store.set("drafts", socket.drafts); socket.drawText(); });
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); socket.send(); }
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) { event.preventDefault(); socket.recall(event.key === "ArrowUp" ? -1 : 1); }
});
$("clear-frames").addEventListener("click", () => { $("frames").replaceChildren(); $("no-frames").hidden = false; });

views.always = (sections) => { if (sections.has("apis") || sections.has("cloud")) { socket.drawStages(); socket.goOn(); } };

// ---------------------------------------------------------------------------------------------------------- connections

const apiOf = (connection) => state.apis.find((api) => api.apiId === connection.apiId);
const naming = ({ region, apiId, stage, connectionId }) => ({ region, apiId, stage, connectionId });

views.connections = () => {
  const rows = state.connections;
  table($("connections"), [
    { name: "Connection", kind: "id", of: (row) => both(row.connectionId, `${apiOf(row)?.name ?? row.apiId} / ${row.stage}${where(row) && `, ${row.region}`}`) },
    { name: "Open for", kind: "n", of: (row) => ago(row.connectedAt) },
    { name: "Last active", kind: "n", of: (row) => `${ago(row.lastActiveAt)} ago` },
    { name: "From", of: (row) => both(row.sourceIp, briefly(row.userAgent)) },
    { name: "In", kind: "n", of: (row) => number(row.received) },
    { name: "Out", kind: "n", of: (row) => number(row.sent) },
    { name: "", kind: "acts", acts: (current) => [
      el("button", { type: "button", onclick: () => push(current()) }, "Push"),
      sure("Close", () => "Close it?", () => act("close", naming(current()))),
    ] },
  ], rows, (row) => row.connectionId, "Nobody is connected.");
  let more = $("more-connections");
  if (state.open > rows.length) {
    more ??= $("connections").appendChild(el("p.dim", { id: "more-connections" }));
    more.textContent = `The oldest ${rows.length} of ${state.open.toLocaleString("en")} are shown.`;
  } else more?.remove();
};

function briefly(agent) {
  if (!agent) return "";
  const browser = /(Firefox|Edg|OPR|HeadlessChrome|Chrome|Version)\/(\d+)/.exec(agent);
  return agent.startsWith("Mozilla/") && browser ? `${{ Version: "Safari", Edg: "Edge", OPR: "Opera", HeadlessChrome: "Chrome, headless" }[browser[1]] ?? browser[1]} ${browser[2]}` : agent;
}

function push(connection) {
  $("push")?.remove();
  const text = el("textarea", { id: "push-text", rows: 3, spellcheck: "false" });
  text.value = store.get("push", '{"hello":"you"}');
  const said = el("span.dim", { role: "status" });
  const form = el("form", { id: "push" },
    el("label.block", { for: "push-text" }, `A text for ${connection.connectionId}, by the cloud's @connections`),
    text,
    el("div.bar", {}, el("button.main", {}, "Push"), el("button", { type: "button", onclick: () => form.remove() }, "Done"), said));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    store.set("push", text.value);
    said.textContent = "";
    if (await act("push", { ...naming(connection), text: text.value })) said.textContent = `pushed at ${clock(Date.now(), false)}`;
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    if (event.key === "Escape") form.remove();
  });
  $("view-connections").append(form);
  text.focus();
}

// --------------------------------------------------------------------------------------------------------------- queues

let looked = null;
let looking = 0;

views.queues = (sections) => {
  const letters = deadLetterQueues();
  const rows = state.queues.toSorted((a, b) => letters.has(a.arn) - letters.has(b.arn));
  const isDead = (row) => letters.has(row.arn);
  const keyed = (row) => `${row.region}/${row.name}`;
  table($("queues"), [
    { name: "Queue", kind: "id", of: (row) => both(row.name, isDead(row) ? `dead letters of ${letters.get(row.arn).join(", ")}` : [row.fifo ? "FIFO" : "", row.dead_letters ? `dead letters go to ${after(row.dead_letters, ":")}` : "", where(row)].filter(Boolean).join("; ")) },
    { name: "Waiting", kind: "n", of: (row) => number(row.counts.visible, isDead(row)) },
    { name: "In flight", kind: "n", of: (row) => number(row.counts.in_flight) },
    { name: "Delayed", kind: "n", of: (row) => number(row.counts.delayed) },
    { name: "Oldest", kind: "n", of: (row) => (row.oldest == null ? "" : lasted(row.oldest)) },
    { name: "", kind: "acts", acts: (current) => {
      const buttons = [
        el("button", { type: "button", onclick: () => look(current()) }, "Look"),
        sure("Purge", () => `Delete ${plural(total(current()), "message")}?`, () => act("purge", { region: current().region, queue: current().name })),
      ];
      if (isDead(current())) buttons.splice(1, 0, el("button", { type: "button", onclick: () => redrive(current()) }, "Redrive"));
      return buttons;
    } },
  ], rows, (row) => `${keyed(row)}${isDead(row) ? " dead" : ""}`, "There are no queues.");
  for (const line of $("queues").querySelectorAll("tr[data-key]")) {
    const isChosen = looked !== null && line.dataset.key.split(" ")[0] === keyed(looked);
    line.classList.toggle("chosen", isChosen);
    const button = line.querySelector("button");
    button.setAttribute("aria-expanded", isChosen);
    button.textContent = isChosen ? "Hide" : "Look";
  }
  if (looked && (sections.has("queues") || sections.has("view"))) peek();
};

const total = (queue) => queue.counts.visible + queue.counts.in_flight + queue.counts.delayed;

async function redrive(queue) {
  let answer;
  try { answer = await ask("redrive", { region: queue.region, queue: queue.name }); } catch (error) { notice(error.message); return; }
  if (answer.failure === "CouldNotDetermineMessageSource") notice("Not moved: these messages were sent to the queue itself, so there is no queue that they came from.");
  else if (answer.failure) notice(`Not moved: ${answer.failure}`);
  else notice(answer.status === "RUNNING" ? "They are being moved." : `${plural(answer.moved ?? 0, "message was", "messages were")} moved back.`, 5000, "good");
  peek();
}

function look(queue) {
  looked = looked && looked.name === queue.name && looked.region === queue.region ? null : queue;
  if (looked) $("messages").replaceChildren(el("h3", {}, `In ${queue.name}`), el("p.dim", {}, "Looking"));
  $("messages").hidden = !looked;
  changed("view");
}

async function peek() {
  const queue = looked;
  const turn = ++looking;
  if (!queue) return;
  let found;
  try {
    found = await ask(`messages?${new URLSearchParams({ region: queue.region, queue: queue.name })}`);
  } catch (error) {
    if (turn === looking) $("messages").replaceChildren(el("p.empty", {}, error.message));
    return;
  }
  if (turn !== looking || queue !== looked) return;
  const said = JSON.stringify(found);
  if ($("messages").dataset.said === said && $("messages").dataset.of === queue.arn && $("messages").querySelector(".seen")) return;
  Object.assign($("messages").dataset, { said, of: queue.arn });
  const list = found.messages.map((message) => {
    const { SentTimestamp: sent, ApproximateReceiveCount: count, MessageGroupId: group, ...rest } = message.attributes;
    const further = { ...rest, ...(Object.keys(message.messageAttributes ?? {}).length ? { attributes: message.messageAttributes } : {}) };
    return el("li", {},
      el("div.facts", {},
        tag(message.state === "visible" ? "waiting" : message.state, message.state === "visible" ? "" : "warn"),
        el("code", {}, message.id),
        sent ? el("span", {}, `sent at ${clock(Number(sent))}`) : null,
        el("span", {}, `received ${plural(Number(count ?? 0), "time")}`),
        group ? el("span", {}, `group ${group}`) : null),
      el("pre", {}, laidOut(message.body)),
      message.length > message.body.length ? el("p.dim", {}, `${bytes(message.length)} in all; the beginning is shown`) : null,
      Object.keys(further).length ? el("details", {}, el("summary", {}, "Attributes"), el("pre", {}, JSON.stringify(further, null, 2))) : null);
  });
  $("messages").replaceChildren(
    el("h3.seen", {}, `In ${queue.name}`),
    list.length ? el("ol", {}, list) : el("p.empty", {}, "It's empty."),
    list.length === found.most ? el("p.dim", {}, `The first ${found.most} are shown.`) : "");
}

// ----------------------------------------------------------------------------------------------------------------- logs

const KEPT = 5000;
const SHOWN = 1000;
const PLATFORM = /^(START|END|REPORT|INIT_START|INIT_REPORT|EXTENSION|XRAY) /;

const lines = {
  all: [], pending: [], held: [], isPaused: false, isFollowing: true, top: 0, missed: 0, handlers: new Set(), drawing: false, stale: false,

  /** Lines that came. What a new stream begins with may be known already. */
  add(came, missed, isPast) {
    if (isPast && this.all.length) {
      const known = new Set(this.all.slice(-2000).map((line) => line.key));
      came = came.filter((line) => !known.has(line.key));
    }
    if (missed) this.missed += missed;
    if (missed && !isPast) came.unshift({ isNote: true, at: came[0]?.at ?? Date.now(), text: `${plural(missed, "line")} lost: they came faster than this page could take them`, kind: "missed" });
    for (const line of came) if (line.group && !this.handlers.has(line.group)) { this.handlers.add(line.group); this.drawHandlers(); }
    (this.isPaused ? this.held : this.pending).push(...came);
    this.held.splice(0, this.held.length - KEPT);
    this.draw();
  },

  drawHandlers() {
    const list = $("handler");
    const before = list.value;
    const groups = [...this.handlers].toSorted((a, b) => handlerOf(a).localeCompare(handlerOf(b)));
    list.replaceChildren(list.firstElementChild, ...groups.map((group) => el("option", { value: group }, handlerOf(group))));
    list.value = before;
  },

  matches(line) {
    if (line.isNote) return true;
    const group = $("handler").value;
    if (group && line.group !== group) return false;
    const read = line.read ??= reading(line);
    if (read.isPlatform && !$("platform").checked && !read.level) return false;
    const wanted = $("filter").value.trim().toLowerCase();
    return !wanted || line.message.toLowerCase().includes(wanted) || line.group.toLowerCase().includes(wanted);
  },

  /** Draws what came, or everything if what is wanted is another. */
  draw(afresh = false) {
    this.stale ||= afresh;
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      const came = this.pending.splice(0);
      this.all.push(...came);
      this.all.splice(0, this.all.length - KEPT);
      const list = $("lines");
      // Nobody sees it: it's drawn when it's seen.
      if (list.offsetParent === null) { this.stale ||= came.length > 0; return; }
      const isWhole = this.stale;
      this.stale = false;
      const found = (isWhole ? this.all : came).filter((line) => this.matches(line)).slice(-SHOWN);
      const made = found.map(drawnLine);
      if (isWhole) list.replaceChildren(...made); else list.append(...made);
      while (list.children.length > SHOWN) list.firstChild.remove();
      this.follow();
      this.drawState();
    });
  },

  /** Stays at the latest line. Lines grow when they're first seen, so that the end is where it seems only a frame later. */
  follow() {
    const toEnd = () => { if (this.isFollowing) $("lines").scrollTop = $("lines").scrollHeight; };
    toEnd();
    requestAnimationFrame(toEnd);
  },

  drawState() {
    const isNarrowed = $("handler").value || $("filter").value.trim();
    const said = [];
    if (this.isPaused) said.push(`Paused; ${plural(this.held.length, "line")} came since.`);
    if (!$("lines").children.length) said.push(this.all.some((line) => !line.isNote) ? (isNarrowed ? "No line has that." : "Only START, END, REPORT and metrics so far.") : "No handler has written anything yet.");
    if ($("logs-state").textContent !== said.join(" ")) $("logs-state").textContent = said.join(" ");
    $("to-end").hidden = this.isFollowing || !$("lines").children.length;
  },

  pause(isPaused) {
    this.isPaused = isPaused;
    $("pause").setAttribute("aria-pressed", isPaused);
    $("pause").textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) this.pending.push(...this.held.splice(0));
    this.draw();
    this.drawState();
  },
};

const handlerOf = (group) => group.replace(/^\/aws\/lambda\//, "");

function hear({ lines: came, missed }, isFirst) {
  lines.add(came.map(([region, group, stream, at, message]) => ({ region, group, stream, at, message, key: `${group} ${stream} ${at} ${message}` })), missed, isFirst);
}

/** A line of the page's own among the logs, and the frames if the socket is affected. */
function note(text) { lines.add([{ isNote: true, at: Date.now(), text, kind: "missed" }], 0, false); }

const LEVELS = { fatal: "error", critical: "error", error: "error", err: "error", warn: "warn", warning: "warn" };

/** What a line says, for people: level, text, fields, and what is too long for a line. */
function reading({ message }) {
  const text = message.replace(/\s+$/, "");
  if (PLATFORM.test(text)) {
    const failed = /^REPORT .*Status: (error|timeout)/s.exec(text);
    return { isPlatform: true, level: failed ? "error" : "", says: text.replaceAll("\t", "  "), fields: [], more: "" };
  }
  const value = parsed(text);
  if (value === undefined || Array.isArray(value)) {
    // The runtimes' own form: time, request, level, text.
    const [, id, level, says] = /^\d{4}-\S+Z\t(\S+)\t([A-Z]+)\t(.*)$/s.exec(text) ?? [];
    if (level) return { level: level.toLowerCase(), says, fields: id === "undefined" ? [] : [["requestId", id]], more: "" };
    const word = /^\W{0,2}(?:\d{4}-\d\d-\d\d\S*\s+)?\W{0,2}(FATAL|ERROR|WARN|WARNING|INFO|DEBUG|TRACE)\b/.exec(text)?.[1] ?? (/Task timed out|panicked at|^Traceback/.test(text) ? "error" : "");
    return { level: word.toLowerCase(), says: text, fields: [], more: "" };
  }
  const { timestamp, time, ts, level, severity, lvl, message: words, msg, fields: inner, target, _aws: metrics, ...rest } = value;
  const all = { ...rest, ...(inner && typeof inner === "object" ? inner : {}) };
  let says = words ?? msg ?? all.message;
  if (says === all.message) delete all.message;
  if (typeof value.type === "string" && value.type.startsWith("platform.")) {
    return { isPlatform: true, level: "", says: value.type, fields: flat(value.record ?? {}), more: "" };
  }
  // Metrics alone are the platform's business; they are plotted in their own view.
  const isMetric = metrics !== undefined && says === undefined;
  if (isMetric) says = "metrics";
  if (says != null && typeof says !== "string") says = JSON.stringify(says);
  const more = [];
  const fields = flat(all).filter(([name, shown]) => {
    const isLong = shown.length > 200 || shown.includes("\n");
    if (isLong) more.push(`${name}: ${shown}`);
    return !isLong;
  });
  return { level: String(level ?? severity ?? lvl ?? "").toLowerCase(), says: says ?? "", fields, more: more.join("\n"), isPlatform: isMetric };
}

const flat = (members) => Object.entries(members).map(([name, value]) => [name,
  typeof value === "string" ? value
    : Array.isArray(value) && value.length > 1 && value.every((part) => typeof part === "string") && /stack|trace/i.test(name) ? value.join("\n")
      : JSON.stringify(value)]);

function drawnLine(line) {
  if (line.isNote) return el(`li.${line.kind}`, {}, `${clock(line.at, false)} ${line.text}`);
  const read = line.read ??= reading(line);
  const kind = LEVELS[read.level] ?? "";
  const fields = read.fields.map(([name, value]) => el("span.field", {}, `${name}=`,
    el("button.plain", { type: "button", tabindex: "-1", title: "Only lines with this", onclick: () => narrow(value) }, value)));
  return el(`li${kind && `.${kind}`}${read.isPlatform ? ".platform" : ""}`, {},
    el("time", { title: `${new Date(line.at).toISOString()}\n${line.stream}` }, clock(line.at)),
    el("div.says", {},
      el("span.who", {}, handlerOf(line.group)),
      kind || ["debug", "trace"].includes(read.level) ? el("span.level", {}, read.level) : null,
      read.says ? el("span.text", {}, read.says.replaceAll("\t", "  ")) : null, fields),
    read.more ? el("pre.more", {}, read.more) : null);
}

function narrow(text) { $("filter").value = text; lines.draw(true); }

for (const id of ["handler", "platform"]) $(id).addEventListener("change", () => lines.draw(true));
$("filter").addEventListener("input", () => lines.draw(true));
$("pause").addEventListener("click", () => lines.pause(!lines.isPaused));
$("clear-logs").addEventListener("click", () => { lines.all = []; lines.held = []; lines.draw(true); });
$("to-end").addEventListener("click", () => { lines.isFollowing = true; lines.follow(); lines.drawState(); });
$("lines").addEventListener("scroll", () => {
  const list = $("lines");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  // Who scrolls up wants to read; where lines alone have grown, nobody did.
  const isFollowing = isAtEnd || (lines.isFollowing && list.scrollTop >= lines.top);
  lines.top = list.scrollTop;
  if (isFollowing !== lines.isFollowing) { lines.isFollowing = isFollowing; lines.drawState(); }
}, { passive: true });

// ------------------------------------------------------------------------------------------------------------ resources

function part(title, count) {
  const id = `part-${title.replaceAll(" ", "-")}`;
  let holder = $(id);
  if (!holder) {
    holder = el("div", { id });
    $("resources").append(el("h3", { id: `${id}-h` }, title, el("small")), holder);
  }
  $(`${id}-h`).querySelector("small").textContent = count ? count.toLocaleString("en") : "";
  return holder;
}

const STATES = { OK: "good", ALARM: "bad", INSUFFICIENT_DATA: "", Active: "good", ACTIVE: "good", Enabled: "good" };
const placed = (row) => `${row.region}/${row.name}`;

views.resources = () => {
  const alarms = state.alarms.toSorted((a, b) => (b.state === "ALARM") - (a.state === "ALARM") || a.name.localeCompare(b.name));
  table(part("Alarms", alarms.length), [
    { name: "Alarm", kind: "id", of: (row) => both(row.name, row.description) },
    { name: "State", of: (row) => tag(row.state.replace("_", " ").toLowerCase(), STATES[row.state] ?? "warn") },
    { name: "For", kind: "n", of: (row) => ago(row.since) },
    { name: "Why", of: (row) => el("span.dim", {}, row.reason) },
  ], alarms, placed, "There are no alarms.");

  const apis = part("APIs", state.apis.length);
  const said = JSON.stringify(state.apis);
  if (apis.dataset.said !== said) {
    apis.dataset.said = said;
    apis.replaceChildren(...(state.apis.length ? state.apis.map(drawnApi) : [el("p.empty", {}, "There are no APIs.")]));
  }

  table(part("Functions", state.functions.length), [
    { name: "Function", kind: "id", of: (row) => both(row.name, [`role ${row.role}`, where(row)].filter(Boolean).join("; ")) },
    { name: "State", of: (row) => tag(row.status.toLowerCase(), STATES[row.status] ?? "warn") },
    { name: "Runtime", of: (row) => both(row.runtime, `${row.memory} MB, ${row.timeout} s${row.reserved == null ? "" : `, ${row.reserved} at once`}`) },
    { name: "Aliases", of: (row) => row.aliases.map(({ name, version, other }) => `${name} → ${version}${other ? ` (${Math.round(other[1] * 100)} % → ${other[0]})` : ""}`).join(", ") },
    { name: "Versions", kind: "n", of: (row) => (row.versions.length ? row.versions.slice(-5).map(([number]) => number).join(", ") : "none") },
    { name: "Changed", kind: "n", of: (row) => `${ago(row.modified)} ago` },
  ], state.functions, placed, "There are no functions.");

  if (state.mappings.length) table(part("Event sources", state.mappings.length), [
    { name: "Queue", kind: "id", of: (row) => after(row.queueArn, ":") },
    { name: "Function", kind: "id", of: (row) => row.functionArn.split(":function:")[1] ?? row.functionArn },
    { name: "State", of: (row) => tag(row.state.toLowerCase(), STATES[row.state] ?? "warn") },
    { name: "Batch", kind: "n", of: (row) => String(row.batchSize) },
    { name: "Last result", of: (row) => row.lastResult ?? "none yet" },
  ], state.mappings, (row) => row.uuid, "");
  else if ($("part-Event-sources")) part("Event sources", 0).replaceChildren(el("p.empty", {}, "There are no event sources."));

  table(part("Tables", state.tables.length), [
    { name: "Table", kind: "id", of: (row) => both(row.name, where(row)) },
    { name: "State", of: (row) => tag(String(row.status).toLowerCase(), STATES[row.status] ?? "warn") },
    { name: "Key", kind: "id", of: (row) => (row.keys ?? []).map((key) => key.AttributeName).join(", ") },
    { name: "Items", kind: "n", of: (row) => number(row.items ?? 0) },
  ], state.tables, placed, "There are no tables.");

  table(part("Roles", state.roles.length), [
    { name: "Role", kind: "id", of: (row) => row.name },
    { name: "Trusts", of: (row) => trusted(row.trust) },
    { name: "Policies", of: (row) => [...row.inline, ...row.attached.map((arn) => after(arn, "/"))].join(", ") || "none" },
  ], state.roles, (row) => row.arn, "There are no roles.");
};

function trusted(policy) {
  const statements = [parsed(policy)?.Statement ?? []].flat();
  const who = statements.flatMap((statement) => [Object.values(statement.Principal ?? {})].flat(2));
  return [...new Set(who)].join(", ");
}

function drawnApi(api) {
  const called = (target) => {
    const what = api.targets[target] ?? target ?? "no integration";
    const call = /function:([^/]+)\/invocations/.exec(what)?.[1] ?? /:sqs:path\/\d+\/(.+)/.exec(what)?.[1];
    return call ? `${what.split(" ")[0]} ${call}` : what;
  };
  const stages = api.stages.map(([stage]) => {
    const routes = api.deployed[stage];
    return [el("dt", {}, stage), el("dd", {}, routes ? `ws://${location.host}/_aws/execute-api/${api.name}/${stage}` : "nothing is deployed on it")];
  });
  const deployed = new Set(Object.values(api.deployed).flat());
  const routes = api.routes.toSorted(([a], [b]) => a.localeCompare(b)).map(([key, target]) => [el("dt", {}, key), el("dd", {}, called(target), deployed.has(key) || !api.stages.length ? "" : " (not deployed)")]);
  return el("div.api", {},
    el("div", {}, el("strong", {}, api.name), " ", el("code.dim", {}, api.apiId), " ", el("small", {}, `routes by ${api.routeSelectionExpression}${where(api) && `; ${api.region}`}`)),
    el("dl", { "aria-label": "Stages" }, stages),
    el("dl", { "aria-label": "Routes" }, routes));
}

// -------------------------------------------------------------------------------------------------------------- metrics

const WIDE = 300;
const HIGH = 56;
const plots = new Map();

/** Curves are asked for while they're seen. */
async function drawMetrics() {
  if (view !== "metrics" || document.hidden || !isUp) return;
  let found;
  try { found = await ask(`metrics?minutes=${$("minutes").value}`); } catch { return; }
  if (!found.groups.length) {
    plots.clear();
    $("metrics").replaceChildren(el("p.empty", {}, "There is nothing to measure yet: no API, no function."));
    return;
  }
  const said = JSON.stringify(found.groups.map((group) => [group.kind, group.region, group.name, group.id]));
  if ($("metrics").dataset.said !== said || !plots.size) {
    $("metrics").dataset.said = said;
    plots.clear();
    $("metrics").replaceChildren(...found.groups.flatMap((group) => [
      el("h3", {}, group.name, " ", el("small", {}, [{ api: "API", function: "function" }[group.kind], where(group)].filter(Boolean).join(", "))),
      el("div.plots", {}, group.curves.map((curve) => {
        const made = plot(curve);
        plots.set(`${group.kind}/${group.region}/${group.id ?? group.name}/${curve.name}`, made);
        return made.root;
      })),
    ]));
  }
  for (const group of found.groups) for (const curve of group.curves) plots.get(`${group.kind}/${group.region}/${group.id ?? group.name}/${curve.name}`)?.draw(curve, found);
}

const svg = (kind, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

function plot({ name, unit }) {
  const value = el("output");
  const drawn = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" });
  const base = svg("path", { class: "base", d: `M0 ${HIGH - 0.5}H${WIDE}` });
  const under = svg("path", { class: "under" });
  const curve = svg("path", { class: "curve" });
  const dots = svg("path", { class: "dots" });
  const at = svg("path", { class: "at" });
  drawn.append(base, under, curve, dots, at);
  const axis = el("p.axis", {}, el("span"), el("span"));
  const root = el(`div.plot${unit === "Errors" ? ".errors" : ""}`, {}, el("p", {}, name, value), drawn, axis);
  const isTime = unit === "Milliseconds";
  const said = (number) => (isTime ? took(number) : number.toLocaleString("en", { maximumFractionDigits: 1 }));
  let spans = [];
  let summary = "";
  let pointed = null;
  const point = () => {
    const index = pointed === null ? -1 : Math.min(spans.length - 1, Math.max(0, Math.floor(pointed * spans.length)));
    const span = spans[index];
    at.setAttribute("d", span ? `M${((index + 0.5) / spans.length) * WIDE} 0V${HIGH}` : "");
    value.textContent = span ? `${clock(span.at, false)}  ${span.value === null ? "none" : said(span.value)}` : summary;
  };
  drawn.addEventListener("pointermove", (event) => { const box = drawn.getBoundingClientRect(); pointed = (event.clientX - box.left) / box.width; point(); });
  drawn.addEventListener("pointerleave", () => { pointed = null; point(); });
  return {
    root,
    draw({ points }, { now, minutes, span }) {
      const width = span * 1000;
      const end = Math.floor(now / width) * width + width;
      const count = Math.ceil((minutes * 60000) / width);
      const values = new Map(points);
      spans = Array.from({ length: count }, (_, index) => {
        const at = end - (count - index) * width;
        return { at, value: values.get(at) ?? (isTime ? null : 0) };
      });
      const known = spans.map((one) => one.value).filter((one) => one !== null);
      const top = Math.max(...known, 0);
      const x = (index) => ((index + 0.5) / count) * WIDE;
      const y = (number) => HIGH - 1 - (top ? (number / top) * (HIGH - 4) : 0);
      const runs = [];
      spans.forEach((one, index) => {
        if (one.value === null) return;
        if (index && spans[index - 1].value !== null) runs.at(-1).push(index); else runs.push([index]);
      });
      const through = (run) => run.map((index) => `${x(index).toFixed(1)} ${y(spans[index].value).toFixed(1)}`).join("L");
      curve.setAttribute("d", runs.filter((run) => run.length > 1).map((run) => `M${through(run)}`).join(""));
      under.setAttribute("d", runs.filter((run) => run.length > 1).map((run) => `M${x(run[0]).toFixed(1)} ${HIGH}L${through(run)}L${x(run.at(-1)).toFixed(1)} ${HIGH}Z`).join(""));
      dots.setAttribute("d", runs.filter((run) => run.length === 1).map((run) => `M${through(run)}h.01`).join(""));
      const sum = known.reduce((all, one) => all + one, 0);
      summary = isTime ? (known.length ? `${said(known.at(-1))} last` : "none") : name === "at once" ? `${said(top)} at most` : said(sum);
      root.classList.toggle("some", sum > 0);
      drawn.setAttribute("aria-label", `${name}: ${summary} over the last ${$("minutes").selectedOptions[0].textContent}, at most ${said(top)} in ${lasted(span)}`);
      axis.children[0].textContent = clock(spans[0].at, false).slice(0, 5);
      axis.children[1].textContent = top ? `at most ${said(top)} in ${lasted(span)}` : "";
      point();
    },
  };
}

$("minutes").addEventListener("change", drawMetrics);
setInterval(drawMetrics, 5000);
views.metrics = (sections) => { if (sections.has("view") || sections.has("cloud")) drawMetrics(); };

// ---------------------------------------------------------------------------------------------------------------- begin

// What is told as an age grows older by itself.
setInterval(() => { if (!document.hidden && isUp && ["connections", "resources"].includes(view)) changed("time"); }, 1000);
addEventListener("hashchange", () => { show(); $("main").focus({ preventScroll: true }); scrollTo(0, 0); });
addEventListener("resize", () => { measure(); lines.draw(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) { lines.draw(); drawMetrics(); } });
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if ($("view-logs").offsetParent === null) location.hash = "logs";
  event.preventDefault();
  requestAnimationFrame(() => $("filter").focus());
});
measure();
show();
follow();
