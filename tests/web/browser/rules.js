// What every page keeps, as complaints; none is what a test wants. Written by hand after WCAG 2.2.
const wrong = [], root = document.documentElement;
const all = (css, from = document) => [...from.querySelectorAll(css)];
const say = (rule, e) => wrong.push(`${rule}: ${e.outerHTML.replace(/\s+/g, " ").slice(0, 140)}`);
const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getClientRects().length > 0;
const named = (e) => {
  const by = (e.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean).map((id) => document.getElementById(id));
  if (by.some((x) => !x)) say("aria-labelledby leads nowhere", e);
  return [...by.map((x) => x?.textContent), e.getAttribute("aria-label"), ...[...(e.labels || [])].map((l) => l.textContent)].some((t) => t?.trim());
};

// Language, title, headings, landmarks.
if (!/^(pt-BR|en)$/.test(root.lang)) wrong.push(`lang is ${root.lang}`);
if (!document.title.trim()) wrong.push("no title");
if (all("h1").length !== 1) wrong.push(`${all("h1").length} h1`);
if (all("main").length !== 1) wrong.push(`${all("main").length} main`);
let level = 0;
for (const h of all("h1, h2, h3, h4, h5, h6").filter((h) => !h.closest("dialog") && h.checkVisibility())) {
  const own = Number(h.tagName[1]);
  if (own > level + 1) say(`h${own} after h${level}`, h);
  if (!h.textContent.trim()) say("empty heading", h);
  level = own;
}
for (const e of all("nav, dialog, section.card")) if (!named(e)) say("no name", e);
for (const e of all("[role=img], [role=progressbar], [role=region], ol[aria-label], svg[role]")) if (!named(e) && !e.querySelector("title")) say("no name", e);

// Controls.
for (const e of all("input:not([type=hidden]), select, textarea")) if (!named(e)) say("no label", e);
for (const e of all("a[href], button").filter((e) => e.checkVisibility())) if (!named(e) && !e.textContent.trim()) say("no words", e);
for (const e of all("img:not([alt])")) say("no alt", e);
for (const e of all("[aria-describedby]")) for (const id of e.getAttribute("aria-describedby").split(/\s+/)) if (!document.getElementById(id)) say("aria-describedby leads nowhere", e);
for (const e of all("label[for]")) if (!document.getElementById(e.htmlFor)) say("label of nothing", e);
for (const e of all("th")) if (!e.hasAttribute("scope") && !e.closest("[hidden]")) say("th without scope", e);
for (const e of all("a[href^='#']")) if (e.getAttribute("href").length > 1 && !e.closest("[data-table], .pager, .tabs") && !document.getElementById(e.getAttribute("href").slice(1))) say("leads nowhere", e);

// Identifiers.
const ids = new Set();
for (const e of all("[id]")) { if (ids.has(e.id)) say("id twice", e); ids.add(e.id); }

// Contrast of text against the nearest ground that is opaque.
const colour = (text) => {
  const m = text.match(/^rgba?\(([\d.]+)[, ]+([\d.]+)[, ]+([\d.]+)(?:[,/ ]+([\d.]+))?\)/);
  if (m) return [...m.slice(1, 4).map(Number), m[4] === undefined ? 1 : Number(m[4])];
  const s = text.match(/^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ ([\d.e-]+))?\)/);
  return s && [...s.slice(1, 4).map((x) => Number(x) * 255), s[4] === undefined ? 1 : Number(s[4])];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
const ground = (e) => {
  const layers = [];
  for (let x = e; x; x = x.parentElement) {
    const c = colour(getComputedStyle(x).backgroundColor);
    if (!c) { say("a ground that can't be read", x); continue; }
    if (c[3] > 0) layers.push(c);
    if (c[3] === 1) break;
    if (x.matches("dialog")) break;
  }
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
const light = (c) => { const [r, g, b] = c.map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
for (let node; (node = walker.nextNode());) {
  const e = node.parentElement;
  if (!node.data.trim() || e.closest("svg, script, noscript, option, .vh, .skip, [hidden]") || !seen(e)) continue;
  texts += 1;
  const own = colour(getComputedStyle(e).color), below = ground(e);
  const found = contrast(over(own, below), below);
  if (found < 4.5) say(`contrast ${found.toFixed(2)}`, e);
}
if (texts < 5) wrong.push(`${texts} texts are seen`);
for (const e of all("input[placeholder]").filter(seen)) {
  const own = colour(getComputedStyle(e, "::placeholder").color), below = ground(e);
  if (contrast(over(own, below), below) < 4.5) say("contrast of the placeholder", e);
}

// Nothing beyond the right edge, but what scrolls by itself.
if (root.scrollWidth > innerWidth) {
  wrong.push(`the page is ${root.scrollWidth} wide in ${innerWidth}`);
  for (const e of all("main *").filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .tabs, .log, svg")).slice(0, 3)) say("too wide", e);
}

// Where there is room, a table shows all of its columns.
if (innerWidth >= 1280) for (const e of all(".scroll")) if (e.scrollWidth > e.clientWidth + 1) say(`${e.scrollWidth} wide in ${e.clientWidth}`, e);

// Targets that a finger finds.
for (const e of all("a.btn, button, a.icon, .menu a, a.go").filter(seen)) {
  const box = e.getBoundingClientRect();
  if (!e.matches(".sort") && (box.height < 24 || box.width < 24)) say(`${Math.round(box.width)} by ${Math.round(box.height)}`, e);
}

// No button lies over the words of its row.
for (const e of all("tr .btn, tr .icon").filter(seen)) {
  const own = e.getBoundingClientRect(), words = document.createTreeWalker(e.closest("tr"), NodeFilter.SHOW_TEXT);
  for (let node; (node = words.nextNode());) {
    if (!node.data.trim() || e.contains(node) || node.parentElement.closest(".vh") || !seen(node.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    if ([...range.getClientRects()].some((r) => r.left < own.right - 1 && r.right > own.left + 1 && r.top < own.bottom - 1 && r.bottom > own.top + 1)) say(`lies over ${node.data.trim()}`, e);
  }
}

// Styles of our own sheet only.
for (const e of all("[style]")) say("a style of its own", e);
for (const e of all("[onclick], [onload], [onerror]")) say("a script of its own", e);
return wrong;
