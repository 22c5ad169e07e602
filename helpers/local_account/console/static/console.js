// Keeps a page as new as the account is, without losing the reader's place; chooses light or dark; opens the menu.
"use strict";

const root = document.documentElement;
root.classList.add("live");
const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
if (stored) root.dataset.theme = stored;

addEventListener("DOMContentLoaded", () => {
  themes();
  menu();
  addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });
  document.querySelectorAll(".log").forEach((log) => { log.scrollTop = log.scrollHeight; });
  if (!document.querySelector("main[data-still], form.fields")) follow(); // nothing changes below somebody's hands
});

function themes() {
  const button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const say = () => { button.textContent = isDark() ? "Light" : "Dark"; button.title = isDark() ? "Show light colours" : "Show dark colours"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* a private window forgets it */ }
    say();
  });
  say();
}

function menu() {
  const button = document.getElementById("menu"), navigation = document.getElementById("navigation");
  button.hidden = false;
  button.addEventListener("click", () => button.setAttribute("aria-expanded", navigation.classList.toggle("open")));
}

// Asks for the page again and again; the account answers when the page has changed.
async function follow() {
  let mark = '"none"', failures = 0;
  for (;;) {
    if (document.hidden) await new Promise((wake) => addEventListener("visibilitychange", wake, { once: true }));
    try {
      const answer = await fetch(location.href, { headers: { "If-None-Match": mark, Prefer: "wait", Accept: "text/html" }, cache: "no-store" });
      if (answer.status === 403) return news("The account has been started anew. Run course console for a new link.", true);
      failures = 0;
      if (answer.status === 304) continue;
      mark = answer.headers.get("ETag") || mark;
      renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      failures += 1;
      if (failures === 3) news("The account does not answer any more.", true);
    }
    await new Promise((wake) => setTimeout(wake, failures ? Math.min(1000 * failures, 10000) : 100));
  }
}

function renew(page) {
  const before = statuses();
  const follows = [...document.querySelectorAll(".log")].filter((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40);
  if (document.title !== page.title) document.title = page.title;
  patch(document.querySelector("header .clock"), page.querySelector("header .clock"));
  patch(document.getElementById("content"), page.getElementById("content"));
  follows.forEach((log) => { log.scrollTop = log.scrollHeight; });
  const now = statuses(), said = [];
  now.forEach((text, of) => { if (before.has(of) ? before.get(of) !== text : before.size) said.push(`${of}: ${text}`); });
  if (said.length) news(said.slice(0, 5).join(". "));
}

function statuses() {
  return new Map([...document.querySelectorAll("[data-status]")].map((one) => [one.dataset.status, one.textContent]));
}

// Makes `old` like `fresh` and touches only what differs, so that focus, selection and scroll stay where they are.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.matches("input, select, textarea")) return;
  const keyed = new Map([...old.children].filter((one) => one.dataset.key).map((one) => [one.dataset.key, one]));
  const kept = new Set([...fresh.children].map((one) => one.dataset.key).filter((key) => keyed.has(key)));
  for (const [key, one] of keyed) if (!kept.has(key)) one.remove();
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const mine = next.dataset && kept.has(next.dataset.key) ? keyed.get(next.dataset.key) : null;
    if (mine) {
      if (mine !== place) old.insertBefore(mine, place); else place = place.nextSibling;
      patch(mine, next);
    } else if (place && !(place.dataset && kept.has(place.dataset.key)) && place.nodeName === next.nodeName && !next.dataset?.key) {
      const here = place;
      place = place.nextSibling;
      if (here.nodeType === Node.ELEMENT_NODE) patch(here, next); else if (here.data !== next.data) here.data = next.data;
    } else {
      const added = document.importNode(next, true);
      if (added.nodeName === "TR") added.classList.add("new");
      old.insertBefore(added, place);
    }
  }
  while (place) { const gone = place; place = place.nextSibling; gone.remove(); }
}

function news(text, urgent) {
  const line = document.getElementById("news");
  line.textContent = text;
  line.classList.toggle("hidden", !urgent);
  line.classList.toggle("note", Boolean(urgent));
}
