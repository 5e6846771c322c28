import { follow } from "./following.js";

// Shows what is new on a page: rows and parts of it, as HTML that the server's templates made.

// The two clocks may differ.
const ahead = Date.now() - Number(document.body.dataset.now);
const text = (ms) => {
  const s = Math.max(0, ms) / 1000;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (s < 60) return `${s.toFixed(0)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two((s % 3600) / 60)} min`;
};
const count = () => {
  for (const each of document.querySelectorAll("[data-since]")) {
    const now = text(Date.now() - ahead - Date.parse(each.dataset.since));
    if (each.textContent !== now) each.textContent = now;
  }
};
const made = (html, inside) => {
  const holder = document.createElement(inside);
  holder.innerHTML = html;
  return holder;
};
// Keeps the elements that are there, so that the focus stays where it is.
const into = (old, fresh) => {
  if (old.children.length !== fresh.children.length || old.tagName !== "TR") {
    old.replaceChildren(...fresh.childNodes);
    return;
  }
  [...fresh.children].forEach((cell, place) => {
    if (old.children[place].innerHTML !== cell.innerHTML) {
      old.children[place].replaceChildren(...cell.childNodes);
    }
  });
};
const show = (region, news) => {
  if (news.over) {
    location.reload();
    return;
  }
  for (const [name, html] of Object.entries(news.parts)) {
    const part = region.querySelector(`[data-part="${name}"]`);
    if (part) part.replaceChildren(...made(html, "div").childNodes);
  }
  const rows = region.querySelector("[data-rows]");
  if (rows) {
    const there = new Map([...rows.children].map((row) => [row.dataset.row, row]));
    for (const [id, html] of Object.entries(news.rows)) {
      const fresh = made(html, "tbody").firstElementChild;
      if (there.has(id)) into(there.get(id), fresh);
      else there.set(id, fresh);
    }
    for (const [id, row] of there) if (!news.order.includes(id)) row.remove();
    let before = null;
    for (const id of news.order) {
      const row = there.get(id);
      const place = before ? before.nextElementSibling : rows.firstElementChild;
      if (row && row !== place) rows.insertBefore(row, place);
      before = row || before;
    }
  }
  count();
};
for (const region of document.querySelectorAll("[data-live]")) {
  const stale = region.querySelector("[data-stale]");
  let late = 0;
  const lost = (is) => {
    if (is && late) return;
    clearTimeout(late);
    late = is ? setTimeout(() => { if (stale) stale.hidden = false; }, 5000) : 0;
    if (!is && stale) stale.hidden = true;
  };
  follow(() => region.dataset.live, (news) => show(region, news), lost);
}
setInterval(count, 1000);
count();
