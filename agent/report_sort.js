"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  const words = new Intl.Collator(undefined, { numeric: true });
  const key = (row, i) => {
    const cell = row.cells[i], v = cell && cell.dataset.v;
    return v !== undefined ? Number(v) : cell && !cell.classList.contains("none") ? cell.textContent : null;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : words.compare(String(a), String(b));
  heads.forEach((head, i) => {
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map(row => [key(row, i), row]);
      rows.sort((a, b) => a[0] === null ? 1 : b[0] === null ? -1 : (down ? -1 : 1) * compare(a[0], b[0]));
      body.append(...rows.map(r => r[1]));
    };
    head.tabIndex = 0;
    head.classList.add("sorts");
    head.title = "Sort";
    head.addEventListener("click", sort);
    head.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); sort(); } });
  });
}
