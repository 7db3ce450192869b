// vex: the one script. Everything here is a comfort: without it every page can still be read and every action taken.
// No innerHTML, no eval, no inline styles: it runs under script-src 'self'; style-src 'self'.
"use strict";
(() => {
  const $ = (s, from = document) => from.querySelector(s);
  const $$ = (s, from = document) => [...from.querySelectorAll(s)];
  const plain = (s) => s.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const order = (text) => text.replace(/^(\d\d)\/(\d\d)\/(\d{4})/, "$3$2$1");
  // Words of the page's language, in the order that the page writes them.
  const [W_PAGE, W_OF, W_HOURS, W_DAYS, W_COPY, W_COPIED, ...W_STATUS] = (document.body.dataset.words || "").split("|");
  const fill = (text, parts) => text.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
  const store = (key, value) => { try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; } };

  // Theme: the radios already work alone (CSS :has); this only remembers them.
  const theme = $(`#theme-${store("theme") || "auto"}`);
  if (theme) theme.checked = true;
  for (const radio of $$("input[name=theme]")) radio.addEventListener("change", () => {
    store("theme", radio.value);
    const form = radio.form;
    if (form && location.protocol !== "file:") fetch(`${form.action}?theme=${radio.value}`, { credentials: "same-origin" }).catch(() => null);
  });

  // Tables: search over the shown text, sort by data-k or text, ten rows a page; the state is in the address, so Back finds it.
  // The report has all rows in the page (up to 500), or the newest 100 there and every row in rows.js: window.vexRows, one
  // string a row, its cells between tabs in the order of the columns; the first row of the page is what new ones are cut from.
  function table(el) {
    const card = el.closest(".card"), body = el.tBodies[0], size = Number(el.dataset.table);
    const find = $("input[type=search]", card), count = $("[data-count]", card), page = $("[data-page]", card), none = $(".none", card);
    const [back, next] = $$("[data-go]", card), heads = $$("thead th", el);
    const state = { q: "", status: "", sort: null, down: false, at: 1 };
    const bulk = el.id === "backups" && window.vexRows;
    const all = bulk ? bulk.map((line, i) => fromLine(line, i, body.rows[0])) : [...body.rows].map((tr) => ({
      tr, text: plain([...tr.cells].map((td) => td.textContent.trim()).join("\t")), status: ($(".v", tr) || {}).textContent || "",
      keys: [...tr.cells].map((td) => td.dataset.k || order(td.textContent.trim())),
    }));
    const numeric = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
    let shown = all;

    function draw() {
      const words = plain(state.q).split(/\s+/).filter(Boolean);
      shown = all.filter((r) => words.every((w) => r.text.includes(w)) && (!state.status || r.status === state.status));
      if (state.sort !== null) shown.sort((a, b) => numeric(a.keys[state.sort], b.keys[state.sort]) * (state.down ? -1 : 1));
      const pages = Math.max(1, Math.ceil(shown.length / size));
      state.at = Math.min(Math.max(1, state.at), pages);
      const slice = shown.slice((state.at - 1) * size, state.at * size);
      body.replaceChildren(...slice.map((r) => r.tr));
      page.textContent = fill(W_PAGE, { n: state.at, m: pages });
      count.textContent = `${shown.length === all.length ? all.length : fill(W_OF, { n: shown.length, m: all.length })} ${count.dataset.count}`;
      none.hidden = shown.length > 0;
      off(back, state.at === 1);
      off(next, state.at === pages);
      for (const [i, th] of heads.entries()) {
        if (i === state.sort) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else if (state.sort !== null) th.removeAttribute("aria-sort");
      }
      for (const a of $$(".tabs a")) {
        const [, tab] = (a.getAttribute("href") || "").split("#status=");
        if (tab === undefined && !(a.getAttribute("href") || "").startsWith("backups")) continue;
        if ((tab || "") === state.status) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
      }
    }
    function off(a, is) {
      if (is) { a.setAttribute("aria-disabled", "true"); a.removeAttribute("href"); } else { a.removeAttribute("aria-disabled"); a.href = "#"; }
    }
    function keep() {
      const p = new URLSearchParams();
      if (state.q) p.set("q", state.q);
      if (state.status) p.set("status", state.status);
      if (state.sort !== null) p.set("ordem", (state.down ? "-" : "") + state.sort);
      if (state.at > 1) p.set("pagina", state.at);
      history.replaceState(null, "", p.size ? `#${p}` : location.pathname.split("/").pop() || ".");
    }
    function load() {
      const p = new URLSearchParams(location.hash.slice(1)), order = p.get("ordem");
      Object.assign(state, { q: p.get("q") || "", status: p.get("status") || "", at: Number(p.get("pagina")) || 1 });
      if (order) Object.assign(state, { sort: Math.abs(Number(order)), down: order.startsWith("-") });
      if (find) find.value = state.q;
      draw();
    }

    for (const [i, th] of heads.entries()) {
      if (!("sort" in th.dataset)) continue;
      const b = document.createElement("button");
      b.type = "button"; b.className = "sort"; b.append(...th.childNodes); th.append(b);
      b.addEventListener("click", () => { state.down = state.sort === i ? !state.down : th.getAttribute("aria-sort") === "descending" ? false : i > 2; state.sort = i; state.at = 1; draw(); keep(); });
    }
    if (find) {
      find.form?.addEventListener("submit", (e) => e.preventDefault());
      find.addEventListener("input", () => { state.q = find.value; state.at = 1; draw(); keep(); });
    }
    for (const [a, step] of [[back, -1], [next, 1]]) a.addEventListener("click", (e) => { e.preventDefault(); if (a.hasAttribute("aria-disabled")) return; state.at += step; draw(); keep(); });
    for (const a of $$("[data-export]", card)) a.addEventListener("click", (e) => { if (location.protocol === "file:") { e.preventDefault(); give(a, heads, shown); } });
    addEventListener("hashchange", load);
    addEventListener("beforeprint", () => body.replaceChildren(...shown.slice(0, 500).map((r) => r.tr)));
    addEventListener("afterprint", draw);
    load();
  }

  // A row of rows.js: host, status 1-3, size in MB and as shown, start and end as shown, upload 0-3, address of its page.
  function fromLine(line, i, model) {
    const [host, status, mb, size, start, end, up, href] = line.split("\t"), word = W_STATUS;
    let tr = null, text, keys;
    return {
      status: word[status],
      get text() { return text ??= plain([host, word[status], size, start, end, word[up]].join("\t")); },
      get keys() { return keys ??= [i + 1, host, status, mb, order(start), order(end), up].map(String); },
      get tr() {
        if (tr) return tr;
        tr = model.cloneNode(true);
        tr.cells[1].removeAttribute("title");
        for (const [n, text] of [i + 1, host, , size, start, end].entries()) if (text !== undefined) tr.cells[n].textContent = text;
        for (const [n, code] of [[2, status], [6, up]]) {
          const v = $(".v", model.cells[2]).cloneNode(true), name = ["no", "ok", "al", "er"][code];
          v.className = `v ${name}`; $("use", v).setAttribute("href", `#${name}`); v.lastChild.textContent = word[code];
          tr.cells[n].replaceChildren(code === "0" ? "—" : v);
        }
        const a = $("a", tr);
        if (href && a) { a.href = href; a.setAttribute("aria-label", `${a.getAttribute("aria-label").replace(/ \S+$/, "")} ${start}`); } else if (a) a.remove();
        return tr;
      },
    };
  }

  // What is filtered, as CSV or JSON; a cell that a spreadsheet would take for a formula gets a quote before it.
  function give(a, heads, rows) {
    const names = heads.map((th) => th.textContent.trim()).slice(0, -1);
    const cells = rows.map((r) => [...r.tr.cells].slice(0, -1).map((td) => td.textContent.trim()));
    const safe = (s) => `"${(/^[=+\-@\t\r]/.test(s) ? "'" + s : s).replaceAll('"', '""')}"`;
    const text = a.dataset.export === "csv" ? [names, ...cells].map((r) => r.map(safe).join(";")).join("\r\n") + "\r\n" : JSON.stringify(cells.map((r) => Object.fromEntries(r.map((c, i) => [names[i], c]))), null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff".repeat(a.dataset.export === "csv" ? 1 : 0), text], { type: "text/plain" }));
    link.download = `backups.${a.dataset.export}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // Live parts: the page asks for itself and takes over the parts that changed. An event only says that something did.
  let busy = false, after = null;
  async function refresh(url = location.href) {
    if (document.hidden || $("dialog[open]")) return;
    if (busy) { after = url; return; }
    busy = true;
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected) return location.reload();
      if (!answer.ok && answer.status !== 503) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      // While the catalog is away the last page stays, with the note that says so.
      const note = fresh.getElementById("fora"), told = $("#fora");
      if (!answer.ok) { if (note && !told) $("main").prepend(document.importNode(note, true)); return; }
      if (!note && told) told.remove();
      // A part that came or went changes the page itself, as when a run has ended.
      const parts = (page) => $$("[data-part]", page).map((part) => part.id).join(" "), focus = document.activeElement;
      if (parts(fresh) !== parts(document) && (!$("main").contains(focus) || focus === $("main"))) return location.reload();
      for (const part of $$("[data-part]")) {
        const now = fresh.getElementById(part.id);
        if (now) take(part, now);
      }
      strips();
      for (const input of $$("[data-log]")) if (input.value) input.dispatchEvent(new Event("input"));
    } catch { /* the network is away: the time of the last look stays on the page, and grows old visibly */ } finally { busy = false; }
    if (after) { const next = after; after = null; refresh(next); }
  }
  // What has the focus stays; around a search that is being typed, everything else is taken over.
  function take(old, now) {
    const focus = document.activeElement;
    if (now.isEqualNode(old)) return;
    if (!old.contains(focus)) {
      const fresh = document.importNode(now, true), top = old.scrollTop;
      old.replaceWith(fresh);
      fresh.scrollTop = top;
      return;
    }
    if (old === focus || !focus.matches("form[data-seek] input") || old.children.length !== now.children.length) return;
    for (const [i, child] of [...old.children].entries()) take(child, now.children[i]);
  }
  const poll = Number($("main")?.dataset.poll);
  if (poll && location.protocol !== "file:") {
    setInterval(() => refresh(), poll * 1000);
    document.addEventListener("visibilitychange", () => refresh());
    const stream = $("main[data-stream]");
    let last = 0, due = 0;
    if (stream) new EventSource(stream.dataset.stream).addEventListener("message", () => {
      due ||= setTimeout(() => { due = 0; last = Date.now(); refresh(); }, Math.max(0, last + 1000 - Date.now()));
    });
  }

  // On the server, search as one types: the same GET the form would send, a third of a second after the last key.
  for (const form of $$("form[data-seek]")) {
    let wait = 0;
    form.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => { const url = `${form.action}?${new URLSearchParams(new FormData(form))}`; history.replaceState(null, "", url); refresh(url); }, 330);
    });
  }

  // A report that nobody made anew is not good news: say how old it is.
  const made = document.body.dataset.made, stale = $("#velho");
  if (made && stale) {
    const hours = Math.floor((Date.now() - Date.parse(made)) / 3600000);
    stale.hidden = hours < Number(document.body.dataset.stale || 26);
    const told = $("[data-hours]", stale);
    if (told) told.textContent = hours < 48 ? fill(W_HOURS, { n: hours }) : fill(W_DAYS, { n: Math.floor(hours / 24) });
  }

  // Strips: one stop for the Tab key, arrows inside.
  function strips() {
    for (const strip of $$("[data-rove]")) {
      const cells = $$("a", strip);
      for (const [i, a] of cells.entries()) a.tabIndex = i === cells.length - 1 ? 0 : -1;
      if (strip.dataset.rove === "on") continue;
      strip.dataset.rove = "on";
      strip.addEventListener("keydown", (e) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e3, End: 1e3 }[e.key], list = $$("a", strip), at = list.indexOf(document.activeElement);
        if (!step || at < 0) return;
        e.preventDefault();
        const to = list[Math.min(Math.max(at + step, 0), list.length - 1)];
        list[at].tabIndex = -1; to.tabIndex = 0; to.focus();
      });
    }
  }
  strips();

  // Log: a filter over lines; levels are CSS.
  for (const input of $$("[data-log]")) {
    const lines = () => $$("li", document.getElementById(input.dataset.log));
    input.addEventListener("input", () => { const q = plain(input.value); for (const li of lines()) li.hidden = !plain(li.textContent).includes(q); });
  }

  // Dialogs come open from the server; the script makes them modal.
  for (const box of $$("dialog[open]")) { box.close(); box.showModal(); }

  // Passwords, copies, print, and the slash that leads to the search.
  for (const b of $$("[data-eye]")) b.addEventListener("click", () => {
    const field = document.getElementById(b.dataset.eye), on = field.type === "password";
    field.type = on ? "text" : "password"; b.setAttribute("aria-pressed", String(on));
    b.setAttribute("aria-label", on ? b.dataset.hide : b.dataset.show);
  });
  for (const b of $$("[data-copy]")) b.addEventListener("click", async () => {
    const code = b.parentElement.querySelector("code");
    try { await navigator.clipboard.writeText(code.textContent); b.textContent = W_COPIED; } catch { getSelection().selectAllChildren(code); }
    setTimeout(() => { b.textContent = W_COPY; }, 2000);
  });
  for (const b of $$("[data-print]")) b.addEventListener("click", () => print());
  document.addEventListener("keydown", (e) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    const find = $("input[type=search]");
    if (find) { e.preventDefault(); find.focus(); find.select(); }
  });
  for (const el of $$("[data-table]")) table(el);
})();
