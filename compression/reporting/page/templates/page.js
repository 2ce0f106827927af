"use strict";
// Vega draws. This script only passes what the reader chose between the table, the limits and the charts.
(() => {
  const { rows, specs } = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const form = document.getElementById("controls");
  const views = [];
  let brushed = null;

  const isWithin = (row) => {
    for (const input of form.querySelectorAll("input")) {
      if (input.value === "" || Number.isNaN(input.valueAsNumber)) continue;
      const value = row.numbers[input.dataset.key];
      if (value == null) return false;
      if (input.dataset.least === "yes" ? value < input.valueAsNumber : value > input.valueAsNumber) return false;
    }
    for (const select of form.querySelectorAll("select"))
      if (select.value !== "" && row.settings[select.dataset.key] !== select.value) return false;
    return brushed === null || brushed.has(row.id);
  };

  const update = () => {
    const shown = {};
    let count = 0;
    for (const row of rows)
      if (isWithin(row)) {
        shown[row.id] = true;
        count += 1;
      }
    for (const row of document.querySelectorAll("tr[data-id]"))
      row.classList.toggle("outside", !shown[row.dataset.id]);
    for (const view of views) view.signal("shown", count === rows.length ? null : shown).runAsync();
    document.getElementById("within").textContent =
      count === rows.length ? `All ${rows.length} configurations` : `${count} of ${rows.length} configurations`;
  };

  const point = (id) => {
    for (const view of views) view.signal("pointed", id).runAsync();
    for (const row of document.querySelectorAll("tr[data-id]"))
      row.classList.toggle("pointed", row.dataset.id === String(id));
  };

  const readBrushes = (view) => {
    const active = view.signal("brushes").some((brush) => brush !== null);
    brushed = active ? new Set(view.data("brushed").map((row) => row.id)) : null;
    update();
  };

  const widen = (view, spec) => {
    const { sides, least } = spec.usermeta;
    const box = view.container().closest(".scroll");
    view.width(Math.max(least, box.clientWidth - sides)).runAsync();
  };

  const draw = async ([name, spec]) => {
    const box = document.getElementById(`chart-${name}`);
    const tooltip = { theme: dark ? "dark" : "light" };
    const { view } = await vegaEmbed(box, spec, { actions: false, renderer: "svg", tooltip });
    box.setAttribute("role", "img");
    box.querySelector("svg").setAttribute("aria-hidden", "true");
    widen(view, spec);
    addEventListener("resize", () => widen(view, spec));
    views.push(view);
    view.addEventListener("pointerover", (_, item) => point(item && item.datum && item.datum.id != null ? item.datum.id : null));
    if (spec.usermeta.brushes) {
      view.addSignalListener("brushes", () => setTimeout(() => readBrushes(view)));
      form.addEventListener("reset", () => {
        for (const brush of spec.usermeta.brushes) view.signal(brush, null);
        view.runAsync();
      });
    }
  };

  const compare = (a, b) => {
    const [x, y] = [a.dataset.sort, b.dataset.sort];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return x !== "" && y !== "" && !Number.isNaN(+x) && !Number.isNaN(+y) ? x - y : x.localeCompare(y, undefined, { numeric: true });
  };

  const sortBy = (table, index, descending) => {
    const body = table.tBodies[0];
    const sorted = [...body.rows].sort((a, b) => {
      const [x, y] = [a.cells[index], b.cells[index]];
      const missing = x.dataset.sort === undefined || y.dataset.sort === undefined;
      return descending && !missing ? compare(y, x) : compare(x, y);
    });
    body.append(...sorted);
    [...table.tHead.rows[0].cells].forEach((cell, at) => {
      if (at === index) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  };

  for (const table of document.querySelectorAll("table.sortable"))
    [...table.tHead.rows[0].cells].forEach((cell, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      cell.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, index, cell.getAttribute("aria-sort") === "ascending"));
    });
  for (const row of document.querySelectorAll("tr[data-id]")) {
    row.addEventListener("pointerenter", () => point(Number(row.dataset.id)));
    row.addEventListener("pointerleave", () => point(null));
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  update();
  Promise.all(Object.entries(specs).map(draw)).then(() => {
    update();
    document.documentElement.dataset.ready = "yes";
  });
})();
