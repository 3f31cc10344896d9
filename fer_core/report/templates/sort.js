// Sorting is an extra: without this script every table can be read as it is.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const value = (row) => {
      const text = row.cells[column].textContent.trim();
      const figure = parseFloat(text.replace(/,/g, "").replace(/^−/, "-").replace(/^\+/, ""));
      return Number.isNaN(figure) ? text : figure;
    };
    const sort = () => {
      const isText = typeof value(body.rows[0]) === "string";
      const up = head.ariaSort ? head.ariaSort === "descending" : isText;
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.ariaSort = up ? "ascending" : "descending";
      [...body.rows]
        .map((row) => [value(row), row])
        .sort(([a], [b]) => {
          if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
          const order = typeof a === "number" ? a - b : a.localeCompare(b);
          return up ? order : -order;
        })
        .forEach(([, row]) => body.append(row));
    };
    head.classList.add("sortable");
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}
