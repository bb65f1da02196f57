// The table sorts by a click, a key press or an address such as #sort=score or #sort=-score;
// the address of a submission opens its section.
"use strict";
const body = document.querySelector("#board tbody");
const heads = [...document.querySelectorAll("#board thead th")];

function value(row, column) {
  const text = row.cells[column].dataset.value;
  return text === "" || isNaN(text) ? text : Number(text);
}

function sort(head, descending) {
  const column = heads.indexOf(head);
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one, column), value(other, column)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stays last
    return descending ? compare(b, a) : compare(a, b);
  });
  body.append(...rows);
  heads.forEach((each) => each.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function follow() {
  const address = location.hash.slice(1);
  const [, minus, key] = address.match(/^sort=(-?)(\w+)$/) ?? [];
  const head = heads.find((each) => key && each.dataset.key === key);
  if (head) return sort(head, minus === "-");
  const target = document.getElementById(address);
  if (target?.matches("details")) {
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
}

for (const head of heads) {
  head.querySelector("button")?.addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : "descending" in head.dataset;
    sort(head, descending);
    history.replaceState(null, "", `#sort=${descending ? "-" : ""}${head.dataset.key}`);
  });
}
addEventListener("hashchange", follow);
follow();
