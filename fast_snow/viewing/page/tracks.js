"use strict";
// When objects are seen: a lane for each, with gaps; and their table, which sorts and filters.
const makeLanes = ({ lanes, scene, colors, jump }) => {
  const [first, last] = scene.span, count = last - first + 1;
  const share = (t) => `${((100 * (t - first)) / count).toFixed(3)}%`;
  const element = (parent, name, attributes) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  };
  for (const track of scene.tracks) {
    const lane = element(lanes, "div", { class: "lane", "data-object": track.id }), { fill, ink } = colors(track.id);
    element(lane, "span", { class: "tag", style: `background:${fill};color:${ink}` }).textContent = track.id;
    const bar = element(lane, "div", { class: "bar" });
    for (const [kind, runs] of [["seen", track.runs], ["unplaced", track.unplaced]]) {
      for (const [from, until] of runs) {
        const place = `left:${share(from)};width:${share(first + until - from + 1)};--color:${fill}`;
        element(bar, "i", { class: kind, style: place });
      }
    }
  }
  const playhead = element(lanes, "div", { class: "playhead" });
  const timeAt = (event) => {
    const box = lanes.querySelector(".bar").getBoundingClientRect();
    return first + Math.floor(((event.clientX - box.left) / box.width) * count);
  };
  lanes.addEventListener("click", (event) => {
    if (event.target.closest(".bar")) jump(Math.max(first, Math.min(last, timeAt(event))));
  });
  return { draw: (t) => playhead.style.setProperty("--now", (t - first + 0.5) / count) };
};

const makeTable = ({ table, filters, seenAt }) => {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => Number(row.cells[column].dataset.key);
  const sort = (column, up) => {
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== column ? "none" : up ? "ascending" : "descending"));
    rows.sort((a, b) => (up ? 1 : -1) * (key(a, column) - key(b, column)) || key(a, 0) - key(b, 0));
    body.append(...rows);
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const before = head.getAttribute("aria-sort"), numbersFirst = head.dataset.first === "most";
    sort(column, before === "none" ? !numbersFirst : before !== "ascending");
  }));
  const of = (name) => heads.findIndex((head) => head.className === name);
  const sizes = rows.map((row) => key(row, of("size"))), most = Math.max(...sizes, 0);
  const { moving, now, size, shown, limit } = filters;
  const least = () => (most * (size.value / 100) ** 2);
  const filter = (t) => {
    let count = 0;
    for (const row of rows) {
      const id = row.dataset.object;
      row.hidden = (moving.checked && !(key(row, of("moved")) > 0)) || (now.checked && !seenAt(id, t)) || key(row, of("size")) < least();
      count += !row.hidden;
    }
    shown.textContent = count === rows.length ? `${count} shown` : `${count} of ${rows.length} shown`;
    limit.textContent = +size.value ? `from ${+least().toPrecision(2)} ${filters.unit}` : "any size";
  };
  sort(0, true);
  return { filter };
};
