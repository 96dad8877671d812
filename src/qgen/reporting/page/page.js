"use strict";
// The page reads without this; it adds the gallery's filters, copies of its problems, and the charts' hover.

(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const grid = document.getElementById("cards");
  const more = document.getElementById("more");
  const download = document.getElementById("download");
  const PAGE = 30;
  const cards = [...grid.children].map((node, place) => ({
    node, place,
    score: Number(node.dataset.score),
    near: Number(node.dataset.near),
    text: (node.querySelector(".raw")?.textContent ?? "").toLowerCase(),
  }));
  const orders = {
    best: (a, b) => b.score - a.score || a.place - b.place,
    worst: (a, b) => a.score - b.score || a.place - b.place,
    near: (a, b) => b.near - a.near || a.place - b.place,
    given: (a, b) => a.place - b.place,
  };
  let limit = PAGE;
  let lines = []; // of the problems that match; what does not parse is none

  function matches(card) {
    const { text, score } = form.elements;
    if (score.value !== "" && card.score < Number(score.value)) return false;
    if (!card.text.includes(text.value.trim().toLowerCase())) return false;
    return ["stage", "mode", "topic", "level", "proof", "parses"].every((name) => {
      const wanted = form.elements[name]?.value;
      return !wanted || card.node.dataset[name] === wanted;
    });
  }

  function show() {
    const found = cards.filter(matches).sort(orders[form.elements.order.value]);
    const visible = new Set(found.slice(0, limit));
    for (const card of cards) card.node.hidden = !visible.has(card);
    grid.append(...found.map((card) => card.node));
    lines = found.map((card) => card.node.dataset.line).filter(Boolean);
    download.textContent = `Download ${lines.length} problem${lines.length === 1 ? "" : "s"}`;
    download.disabled = !lines.length;
    const rest = found.length - visible.size;
    document.getElementById("count").textContent =
      `${found.length} of ${cards.length} match` + (rest ? `, ${visible.size} shown` : "");
    more.hidden = rest === 0;
    more.textContent = `Show ${Math.min(PAGE, rest)} more`;
  }

  function restart() {
    limit = PAGE;
    show();
  }

  form.hidden = false;
  form.addEventListener("input", restart);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(restart));
  more.addEventListener("click", () => { limit += PAGE; show(); });
  download.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines.map((line) => `${line}\n`), { type: "application/jsonl" }));
    link.download = download.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // by then the browser has read it
  });
  addEventListener("beforeprint", () => { limit = Infinity; show(); });
  show();
})();

// Problems as LaTeX, which stands in the page
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text); // not there on every page from disk, and may be refused
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.className = "unseen";
    area.value = text;
    button.after(area);
    area.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      area.remove();
      button.focus({ preventScroll: true });
    }
  }
}

for (const button of document.querySelectorAll(".copy")) {
  const label = button.textContent;
  const said = document.getElementById("said");
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(button.dataset.tex, button);
    said.textContent = button.textContent = done ? "Copied" : "Could not copy";
    clearTimeout(timer);
    timer = setTimeout(() => { button.textContent = label; said.textContent = ""; }, done ? 2000 : 6000);
  });
}

// Charts: the values of the step nearest to the pointer
for (const svg of document.querySelectorAll("svg.chart")) {
  const lines = [...svg.querySelectorAll(".line")].map((path) => {
    const at = path.getAttribute("d").slice(1).split(/[ML]/).map((pair) => Number(pair.split(" ")[0]));
    const values = path.dataset.v.split(";").map((pair) => pair.split("|"));
    return { path, points: at.map((x, i) => ({ x, step: values[i][0], value: values[i][1] })) };
  });
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cursor.setAttribute("class", "cursor");
  const tip = document.createElement("div");
  tip.className = "tip";

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const view = svg.viewBox.baseVal;
    const x = ((event.clientX - box.left) / box.width) * view.width;
    const all = lines.flatMap((line) => line.points);
    if (!all.length) return;
    const near = all.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
    for (const [name, value] of [["x1", near.x], ["x2", near.x], ["y1", 10], ["y2", view.height - 24]]) {
      cursor.setAttribute(name, value);
    }
    svg.append(cursor);
    const head = document.createElement("b");
    head.textContent = `${svg.dataset.x ?? "step"} ${near.step}`;
    const rows = lines.flatMap(({ path, points }) => {
      const point = points.find((p) => p.step === near.step);
      if (!point) return [];
      const row = document.createElement("div");
      row.className = [...path.classList].find((name) => /^s\d$/.test(name));
      const text = document.createElement("span");
      text.textContent = `${path.dataset.name} ${point.value}`.trim();
      row.append(text);
      return [row];
    });
    tip.replaceChildren(head, ...rows);
    svg.parentElement.append(tip);
    const place = (near.x / view.width) * box.width + (box.left - svg.parentElement.getBoundingClientRect().left);
    const flip = near.x > view.width / 2;
    tip.style.left = flip ? "" : `${place + 10}px`;
    tip.style.right = flip ? `${svg.parentElement.clientWidth - place + 10}px` : "";
    tip.style.top = `${box.top - svg.parentElement.getBoundingClientRect().top + 6}px`;
  });
  svg.addEventListener("pointerleave", () => { tip.remove(); cursor.remove(); });
}

// Navigation: which section is being read
const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-30% 0px -60% 0px" });
for (const section of document.querySelectorAll("main > section")) watch.observe(section);
