"use strict";
// A table is sorted by the column whose heading is pressed: numbers as numbers, empty cells last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const upwards = head.getAttribute("aria-sort") !== "ascending";
      const key = (row) => row.cells[column].textContent.trim();
      const number = (text) => parseFloat(text.replace("−", "-").replace("<", ""));
      const rows = Array.from(body.rows);
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (!x || !y) return x ? -1 : y ? 1 : 0;
        const [u, v] = [number(x), number(y)];
        const order = isNaN(u) || isNaN(v) ? x.localeCompare(y) : u - v;
        return upwards ? order : -order;
      });
      body.append(...rows);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    });
  });
}
