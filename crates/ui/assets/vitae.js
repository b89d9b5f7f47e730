// Enhancement only: every control here is a link or a form that works without this file.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- Fragments: the same address, asked for in part; the answer may also be the whole page. ---

const pending = new Map();

async function fragment(url, target, options = {}) {
  pending.get(target)?.abort();
  const abort = new AbortController();
  pending.set(target, abort);
  const answer = await fetch(url, {
    headers: { "X-Fragment": target.slice(1) },
    signal: abort.signal,
    credentials: "same-origin",
    ...options,
  });
  noteUse();
  if (answer.redirected && new URL(answer.url).pathname === "/login/again" && cover()) return null;
  if (answer.redirected && new URL(answer.url).pathname.startsWith("/login")) {
    location.assign(answer.url);
    return null;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return $(target, page) ? page : null;
}

function swap(page, target) {
  const fresh = $(target, page);
  const old = $(target);
  if (!fresh || !old) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const test = focused?.dataset.test;
  old.replaceWith(document.adoptNode(fresh));
  if (focused?.id) document.getElementById(focused.id)?.focus();
  else if (test) $(`[data-test="${test}"]`, $(target))?.focus();
}

function trouble(target) {
  const line = $('[role="status"]', $(target) ?? document);
  if (line) line.textContent = "Not reachable just now. What you typed is still here; press Enter to try again.";
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-swap], a[data-append], a[data-drawer], a[data-palette]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if ("palette" in link.dataset) return openPalette();
  if ("drawer" in link.dataset) return openDrawer(link.href);
  if (link.dataset.append) return append(link);
  try {
    const page = await fragment(link.href, link.dataset.swap);
    if (!page) return location.assign(link.href);
    swap(page, link.dataset.swap);
    history.pushState({ swap: link.dataset.swap }, "", link.href);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(link.href);
  }
});

window.addEventListener("popstate", () => location.reload());

// Earlier items are added below; focus goes to the first of them.
async function append(link) {
  const target = link.dataset.append;
  link.setAttribute("aria-busy", "true");
  try {
    const page = await fragment(link.href, target);
    if (!page) return location.assign(link.href);
    const list = $(target);
    const years = $$(".year", list);
    const fresh = [...$(target, page).children];
    const lastYear = years.at(-1)?.textContent;
    if (fresh[0]?.matches(".year") && fresh[0].textContent === lastYear) fresh.shift();
    list.append(...fresh);
    const next = $(`a[data-append="${target}"]`, page);
    if (next) link.replaceWith(next);
    else link.remove();
    move(fresh.find((item) => item.matches("[data-item]")));
  } catch (error) {
    if (error.name !== "AbortError") location.assign(link.href);
  }
}

// --- Search as you type. ---

for (const form of $$("form[data-live]")) {
  const input = $("[data-search]", form);
  const target = form.dataset.live;
  let timer = 0;
  const address = () => {
    const query = new URLSearchParams(new FormData(form));
    return `${form.getAttribute("action")}?${query}`;
  };
  const run = async () => {
    const url = address();
    try {
      const page = await fragment(url, target);
      if (!page) return;
      swap(page, target);
      history.replaceState(null, "", url);
    } catch (error) {
      if (error.name !== "AbortError") trouble(target);
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, 70);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    // Enter never opens a list that belongs to other letters than those in the field.
    if ($(target)?.dataset.q !== input.value.trim()) await run();
    if ($(target)?.dataset.q !== input.value.trim()) return;
    const links = $$("[data-item] a", $(target));
    if (links.length === 1) links[0].click();
    else move($("[data-item]", $(target)));
  });
  const caretLast = () => input.setSelectionRange(input.value.length, input.value.length);
  if (document.activeElement === input) caretLast();
  else input.addEventListener("focus", caretLast, { once: true });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      move($("[data-item]", $(target)));
    }
  });
}

// --- Lists: J and K, arrows; focus is what is selected. ---

function move(item) {
  if (!item) return;
  const link = $("a:not(.row-raw), button, summary", item) ?? item;
  if (link === item) item.tabIndex = -1;
  link.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const items = $$("[data-item]").filter((item) => item.offsetParent !== null);
  if (!items.length) return false;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const search = $("[data-search]");
  if (at === 0 && by < 0 && search) return search.focus(), true;
  move(items[at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(Math.max(at + by, 0), items.length - 1)]);
  return true;
}

// --- Dialogs: help, palette, drawer. ---

const palette = $("#palette");
const paletteInput = $("#palette-input");
const options = $("#palette-options");
let paletteTimer = 0;
let chosen = 0;

function choose(at) {
  const links = $$("a", options);
  chosen = Math.min(Math.max(at, 0), links.length - 1);
  links.forEach((link, i) => {
    link.id = `option-${i}`;
    link.setAttribute("aria-selected", String(i === chosen));
  });
  links[chosen]?.scrollIntoView({ block: "nearest" });
  paletteInput.setAttribute("aria-activedescendant", links.length ? `option-${chosen}` : "");
}

async function fillPalette() {
  const query = paletteInput.value.trim();
  try {
    const page = await fragment(`/palette?q=${encodeURIComponent(query)}`, "#palette-options");
    if (!page) return;
    options.replaceChildren(...$("#palette-options", page).childNodes);
    options.dataset.q = query;
    choose(0);
  } catch (error) {
    if (error.name !== "AbortError") options.textContent = "Not reachable just now.";
  }
}

function openPalette() {
  if (!palette || palette.open) return;
  paletteInput.value = "";
  palette.showModal();
  fillPalette();
}

paletteInput?.addEventListener("input", () => {
  clearTimeout(paletteTimer);
  paletteTimer = setTimeout(fillPalette, 70);
});

paletteInput?.addEventListener("keydown", async (event) => {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter") {
    event.preventDefault();
    if (options.dataset.q !== paletteInput.value.trim()) return;
    $$("a", options)[chosen]?.click();
    return;
  } else return;
  event.preventDefault();
});

async function openDrawer(url) {
  const drawer = $("#drawer");
  try {
    const answer = await fetch(url, { headers: { "X-Fragment": "drawer" }, credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/login/again" && cover()) return;
    if (!answer.ok || answer.redirected) return location.assign(url);
    noteUse();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    drawer.replaceChildren(...page.body.childNodes);
    if (!drawer.open) drawer.showModal();
  } catch {
    location.assign(url);
  }
}

for (const dialog of $$("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && dialog.id !== "lock") dialog.close();
  });
}

// --- Theme: the form says it to the server, the page at once. ---

$("[data-theme-form]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
});

// --- Charts: readout by hover and by arrow keys. ---

function point(plot, at) {
  const points = $$("[data-read]", plot);
  const hit = points[at];
  if (!hit) return;
  points.forEach((p) => p.classList.toggle("on", p === hit));
  plot.dataset.at = String(at);
  const cursor = $(".cursor", plot);
  cursor.setAttribute("x1", hit.getAttribute("cx"));
  cursor.setAttribute("x2", hit.getAttribute("cx"));
  cursor.classList.add("on");
  const [value, ...rest] = hit.dataset.read.split(" · ");
  const bold = document.createElement("b");
  bold.textContent = value;
  $("[data-readout]", plot.closest("figure"))?.replaceChildren(bold, ` · ${rest.join(" · ")}`);
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.("[data-plot]");
  if (!plot) return;
  const box = plot.getBoundingClientRect();
  const place = ((event.clientX - box.left) / box.width) * 100;
  let best = -1;
  let near = Infinity;
  $$("[data-read]", plot).forEach((p, i) => {
    const away = Math.abs(parseFloat(p.getAttribute("cx")) - place);
    if (away < near) [best, near] = [i, away];
  });
  point(plot, best);
});

function plotKey(event) {
  const plot = document.activeElement?.closest?.("[data-plot]");
  if (!plot) return false;
  const count = $$("[data-read]", plot).length;
  const at = Number(plot.dataset.at ?? count);
  if (event.key === "ArrowLeft") point(plot, Math.max(at - 1, 0));
  else if (event.key === "ArrowRight") point(plot, Math.min(at + 1, count - 1));
  else if (event.key === "Home") point(plot, 0);
  else if (event.key === "End") point(plot, count - 1);
  else return false;
  return true;
}

// --- Keys. ---

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if ($("dialog[open]")) return;
  const field = event.target.matches("input, textarea, select, [contenteditable]");
  if (field) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (plotKey(event)) return event.preventDefault();
  switch (event.key) {
    case "/": {
      const search = $("[data-search]");
      if (search) search.focus(), search.select();
      else openPalette();
      break;
    }
    case "?": $("#help")?.showModal(); break;
    case "j": step(1); break;
    case "k": step(-1); break;
    case "ArrowDown": if (!document.activeElement?.closest("[data-item]") || !step(1)) return; break;
    case "ArrowUp": if (!document.activeElement?.closest("[data-item]") || !step(-1)) return; break;
    case "f": {
      const item = document.activeElement?.closest("[data-item]");
      const raw = item && $(".row-raw", item);
      if (!raw) return;
      openDrawer(raw.href);
      break;
    }
    case "Escape": {
      const back = $('[data-test="trend-back"]');
      if (!back) return;
      back.click();
      break;
    }
    default: {
      if (!/^[1-9]$/.test(event.key)) return;
      const tab = $$(".tabs a")[Number(event.key) - 1];
      if (!tab) return;
      tab.click();
    }
  }
  event.preventDefault();
});

// --- Passkeys: the form's fields are filled with what the browser answers, then it is sent. ---

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function ceremony(ask, create) {
  const begun = await fetch(ask, { method: "POST", credentials: "same-origin", headers: { "X-Fragment": "passkey" } });
  if (!begun.ok) throw new Error(begun.status === 401 ? "again" : await begun.text());
  const { ceremony: id, options } = await begun.json();
  const wanted = options.publicKey;
  wanted.challenge = toBytes(wanted.challenge);
  if (wanted.user) wanted.user.id = toBytes(wanted.user.id);
  for (const list of [wanted.excludeCredentials, wanted.allowCredentials]) {
    list?.forEach((known) => (known.id = toBytes(known.id)));
  }
  const made = create ? await navigator.credentials.create(options) : await navigator.credentials.get(options);
  const response = {};
  for (const name of ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"]) {
    if (made.response[name]) response[name] = toText(made.response[name]);
  }
  const transports = made.response.getTransports?.();
  if (transports) response.transports = transports;
  const answer = { id: made.id, rawId: toText(made.rawId), type: made.type, response, extensions: {} };
  return { ceremony: id, answer: JSON.stringify(answer) };
}

if (window.PublicKeyCredential) {
  for (const form of $$("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const line = $('[role="status"]', form);
      const button = $("button[type=submit]", form);
      line.textContent = "";
      button.disabled = true;
      try {
        const done = await ceremony(form.dataset.passkey, "create" in form.dataset);
        form.elements.ceremony.value = done.ceremony;
        form.elements.answer.value = done.answer;
        form.submit();
      } catch (error) {
        if (error.message === "again") return location.assign(`/login/again?next=${encodeURIComponent(location.pathname)}`);
        line.textContent =
          error.name === "InvalidStateError" ? "This device holds a passkey for you already."
          : error.name === "NotAllowedError" ? "No passkey was chosen."
          : error.message || "That did not work; try again.";
      } finally {
        button.disabled = false;
      }
    });
  }
}

// --- The lock: a page that nothing was done on is covered; what was typed stays beneath. ---

const lock = $("#lock");
const idle = Number(lock?.dataset.idle ?? 0);
let told = Date.now();
let acted = false;

// The server knows that somebody is here.
function noteUse() {
  told = Date.now();
  acted = false;
}

function cover() {
  if (!lock) return false;
  if (!lock.open) {
    $$("dialog[open]").forEach((dialog) => dialog.close());
    lock.returnFocus = document.activeElement;
    document.documentElement.classList.add("covered");
    lock.showModal();
    $("#lock-password").focus();
  }
  return true;
}

function uncover() {
  noteUse();
  document.documentElement.classList.remove("covered");
  $("#lock-password").value = "";
  $('[role="status"]', lock).textContent = "";
  lock.close();
  lock.returnFocus?.focus?.();
}

async function look() {
  if (!lock) return;
  // Only what a person did counts as use; looking does not.
  const method = acted ? "POST" : "GET";
  if (!acted && Date.now() - told < idle && !lock.open) return;
  try {
    const answer = await fetch("/session", { method, credentials: "same-origin" });
    if (answer.status === 401) cover();
    else if (acted) noteUse();
    else if (lock.open && answer.status === 204) uncover();
  } catch {
    // Not reachable: time alone decides.
    if (Date.now() - told >= idle) cover();
  }
}

if (lock) {
  for (const kind of ["keydown", "pointerdown", "input"]) {
    document.addEventListener(kind, (event) => {
      if (event.isTrusted && !lock.open) acted = true;
    }, { capture: true, passive: true });
  }
  // A form that would be lost waits until the page is open again.
  document.addEventListener("submit", (event) => {
    if (lock.open || Date.now() - told < idle) return;
    event.preventDefault();
    look();
  }, { capture: true });
  setInterval(look, Math.min(30000, Math.max(idle / 10, 250)));
  addEventListener("pageshow", (event) => event.persisted && look());
  document.addEventListener("visibilitychange", () => document.hidden || look());
  lock.addEventListener("cancel", (event) => event.preventDefault());
  const unlock = async (fields) => {
    const line = $('[role="status"]', lock);
    line.textContent = "";
    const answer = await fetch("/login/again", {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-Fragment": "lock" },
      body: new URLSearchParams(fields),
    }).catch(() => null);
    if (answer?.status === 204) return uncover();
    if (answer?.redirected) return location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    const wait = answer?.headers.get("Retry-After");
    line.textContent = wait ? `Too many tries. Wait ${wait} seconds.`
      : answer?.status === 403 ? "That was not right. Check it and try again."
      : "Not reachable just now; what you typed is still here.";
    $("#lock-password").select();
  };
  $("[data-lock]", lock).addEventListener("submit", (event) => {
    event.preventDefault();
    unlock({ password: $("#lock-password").value });
  });
  const key = $("[data-lock-passkey]", lock);
  if (window.PublicKeyCredential) key.hidden = false;
  key.addEventListener("click", async () => {
    try {
      await unlock(await ceremony("/login/again/ask", false));
    } catch (error) {
      $('[role="status"]', lock).textContent =
        error.name === "NotAllowedError" ? "No passkey was chosen." : error.message || "That did not work.";
    }
  });
  $("[data-lock-form]")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch("/lock", { method: "POST", credentials: "same-origin", redirect: "manual" }).catch(() => null);
    cover();
  });
}
