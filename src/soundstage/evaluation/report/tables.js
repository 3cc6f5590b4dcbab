"use strict";
// Tables that sort by a click on a header.

{
  function sortBy(table, header) {
    const column = header.cellIndex;
    const order = header.dataset.sorted === "best" ? "worst" : "best";
    for (const other of table.tHead.rows[0].cells) {
      other.removeAttribute("aria-sort");
      delete other.dataset.sorted;
    }
    header.dataset.sorted = order;
    header.setAttribute("aria-sort", order === "best" ? "ascending" : "descending");
    const rank = (row) => row.cells[column].dataset.rank;
    const body = table.tBodies[0];
    const [ranked, unranked] = [[], []];
    for (const row of body.rows) (rank(row) === "" ? unranked : ranked).push(row);
    const number = (row) => Number(rank(row).replace("inf", "Infinity"));
    const compare = (a, b) => (a === b ? 0 : a < b ? -1 : 1); // subtraction fails for ∞ − ∞
    const sign = order === "best" ? 1 : -1;
    ranked.sort((a, b) => sign * compare(number(a), number(b)));
    body.append(...ranked, ...unranked);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.tHead.rows[0].cells) {
      header.querySelector("button").addEventListener("click", () => sortBy(table, header));
    }
  }
}
