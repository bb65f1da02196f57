// The table sorts by a click, a key press or an address such as #sort=score or #sort=-score;
// the form above it hides rows that do not fit.
"use strict";
const bodies = [...document.querySelectorAll("#board tbody")];
const heads = [...document.querySelectorAll("#board thead th")];
const controls = document.querySelector(".controls");
const rowsOf = (body) => [...body.rows].filter((row) => row.id);

function value(row, column) {
  const text = row.cells[column].dataset.value ?? "";
  return text === "" || isNaN(text) ? text : Number(text);
}

function sort(head, descending) {
  const column = heads.indexOf(head);
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  for (const body of bodies) {
    body.append(...rowsOf(body).sort((one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stays last
      return descending ? compare(b, a) : compare(a, b);
    }));
  }
  heads.forEach((each) => each.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function choose(head) {
  const before = head.getAttribute("aria-sort");
  const descending = before ? before === "ascending" : "falling" in head.dataset;
  sort(head, descending);
  history.replaceState(null, "", `#sort=${descending ? "-" : ""}${head.dataset.key}`);
}

function filter() {
  const wanted = new FormData(controls);
  const words = wanted.get("text").toLowerCase().split(/\s+/).filter(Boolean);
  const [flag, runs] = [wanted.get("flag"), wanted.get("runs") ?? ""];
  let shown = 0, all = 0;
  for (const body of bodies) {
    body.hidden = runs !== "" && body.dataset.runs !== runs;
    for (const row of rowsOf(body)) {
      const flags = row.dataset.flags.split(" ").filter(Boolean);
      const text = row.dataset.text.toLowerCase();
      const fits = words.every((word) => text.includes(word)) &&
        (flag === "" || (flag === "-" ? flags.length === 0 : flags.includes(flag)));
      row.hidden = !fits;
      shown += fits && !body.hidden;
      all += 1;
    }
  }
  controls.querySelector("output").value = shown === all ? "" : `${shown} of ${all} rows`;
  document.querySelector(".nothing").hidden = shown > 0;
}

function follow() {
  const [, minus, key] = location.hash.slice(1).match(/^sort=(-?)(\w+)$/) ?? [];
  const head = heads.find((each) => key && each.dataset.key === key);
  if (head) sort(head, minus === "-");
}

for (const head of heads) head.querySelector("button")?.addEventListener("click", () => choose(head));
controls.hidden = false;
controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("input", (event) => {
  if (event.target.name !== "sort") return filter();
  const head = heads.find((each) => each.dataset.key === event.target.value);
  if (head) choose(head);
});
addEventListener("hashchange", follow);
filter(); // a browser may keep what was typed before
follow();
