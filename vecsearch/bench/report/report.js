// Sorts tables, and sorts and filters lists of queries. Without it the page shows all the same.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const order = new Intl.Collator(undefined, { numeric: true });

  const key = (cell) => {
    const given = cell.dataset.sort ?? cell.textContent.trim();
    const missing = given === "–" || (cell.dataset.sort === undefined && cell.closest(".scroll > table:not(.ranks)"));
    return { text: given, number: given === "" ? NaN : Number(given), missing: Boolean(missing) };
  };

  // What is missing comes last in either direction.
  const compare = (a, b, sign) => {
    if (a.missing || b.missing) return a.missing - b.missing;
    const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    return sign * (both ? a.number - b.number : order.compare(a.text, b.text));
  };

  for (const table of document.querySelectorAll("table.sorts")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.closest("th");
      if (!head) return;
      const column = heads.indexOf(head);
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
      const known = rows.filter((each) => !each.key.missing);
      const numeric = known.length > 0 && known.every((each) => !Number.isNaN(each.key.number));
      const first = numeric && !table.classList.contains("ranks") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? other : first;
      const sign = direction === "ascending" ? 1 : -1;
      rows.sort((a, b) => compare(a.key, b.key, sign));
      body.append(...rows.map((each) => each.row));
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
    });
  }

  for (const tools of document.querySelectorAll(".tools")) {
    const list = tools.nextElementSibling;
    const queries = [...list.querySelectorAll("details")];
    const place = new Map(queries.map((each, n) => [each, n]));
    const texts = new Map(queries.map((each) => [each, each.querySelector(".asked").textContent.toLowerCase()]));
    const [find, select, told] = ["input", "select", "output"].map((name) => tools.querySelector(name));
    const scores = new Map(queries.map((each) => [each, [...each.querySelectorAll("summary .s")].map((one) => Number(one.querySelector("[data-value]")?.dataset.value ?? NaN))]));

    const filter = () => {
      const words = find.value.toLowerCase().split(/\s+/);
      let count = 0;
      for (const each of queries) {
        each.hidden = !words.every((word) => texts.get(each).includes(word));
        count += each.hidden ? 0 : 1;
      }
      told.textContent = `${count} of ${queries.length}`;
    };

    const sort = () => {
      const by = select.value;
      const rank = {
        given: (a, b) => place.get(a) - place.get(b),
        query: (a, b) => order.compare(a.dataset.query, b.dataset.query),
      }[by] ?? ((a, b) => scores.get(a)[by] - scores.get(b)[by] || place.get(a) - place.get(b));
      queries.sort(rank);
      list.append(...queries);
    };

    tools.hidden = false;
    find.addEventListener("input", filter);
    select.addEventListener("change", sort);
    filter();
  }
})();
