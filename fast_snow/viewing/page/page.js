"use strict";
(() => {
  const { view, frames, scene, depth, palette, unit } = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const svg = (name, attributes = {}, parent = null) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  };
  const digits = (id) => (id < palette.length ? id : digits(Math.floor(id / palette.length)) + (id % palette.length));
  const colors = (id) => palette[digits(id) % palette.length];
  const plate = (parent, id, size) => {
    const spot = svg("g", { class: "spot" }, parent);
    svg("circle", { r: size, fill: colors(id).fill, stroke: colors(id).fill, "stroke-width": 2 }, spot);
    svg("text", { fill: colors(id).ink }, spot).textContent = id;
    return spot;
  };
  const byId = new Map(scene.tracks.map((track) => [String(track.id), track]));
  let now = 0, timer = null, kept = null, pointed = null;

  // ---------------------------------------------------------------- a frame, its outlines and its depth
  const drawShapes = (parent, frame) => {
    const scale = view[1] / (parent.clientWidth || view[1]);
    parent.replaceChildren();
    for (const shape of frame.shapes) {
      const group = svg("g", { class: shape.unplaced ? "shape unplaced" : "shape", "data-object": shape.id }, parent);
      svg("path", { d: shape.d, fill: colors(shape.id).fill, stroke: colors(shape.id).fill }, group);
    }
    // Numbers come last, so that no outline hides one.
    for (const shape of frame.shapes) {
      const group = svg("g", { class: "shape", "data-object": shape.id }, parent);
      plate(group, shape.id, 10).setAttribute("transform", `translate(${shape.at.join(" ")}) scale(${scale})`);
    }
  };
  const [picture, outlines, depthMap, depthOutlines] = [find("picture"), find("outlines"), find("depth-map"), find("depth-outlines")];
  for (const each of [outlines, depthOutlines]) each.setAttribute("viewBox", `0 0 ${view[1]} ${view[0]}`);
  const drawFrame = (frame) => {
    picture.hidden = frame.image === null;
    if (frame.image !== null) picture.src = frame.image;
    drawShapes(outlines, frame);
  };
  const deep = makeDepth({ frames, cameras: scene.cameras, depth });
  find("depth-bar").style.background = deep.gradient;
  let drawnDepth = null;
  const length = (value) => `${+value.toPrecision(2)} ${unit}`;
  const drawDepth = () => {
    const each = deep.nearest(now);
    if (each && each !== drawnDepth) {
      deep.drawOn(depthMap, each);
      find("depth-near").textContent = length(each.near);
      find("depth-far").textContent = length(each.far);
    }
    depthMap.hidden = !each;
    find("depth-of").textContent = each ? `depth of frame ${frames[each.at].t}` : "";
    drawnDepth = each;
    drawShapes(depthOutlines, each ? frames[each.at] : { shapes: [] });
  };

  // ---------------------------------------------------------------- the scene, the lanes and the table
  const named = [...document.querySelectorAll("[data-view]")];
  const world = makeScene({
    canvas: find("world"), labels: find("labels"), scene, cloudAt: deep.cloudAt, unit, colors, plate,
    changed: (name) => named.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.view === name))),
  });
  named.forEach((button) => button.addEventListener("click", () => world.show(button.dataset.view)));
  find("grid").textContent = depth.images.length ? world.grid : `${world.grid}; this run keeps no depth`;
  document.body.classList.toggle("flat", !depth.images.length);
  const nearestTo = (t) => frames.reduce((best, frame, i) => (Math.abs(frame.t - t) < Math.abs(frames[best].t - t) ? i : best), 0);
  const jump = (t) => { pause(); seek(nearestTo(t)); };
  const lanes = makeLanes({ lanes: find("lanes"), scene, colors, jump });
  const seenAt = (id, t) => [...byId.get(id).runs, ...byId.get(id).unplaced].some(([from, until]) => from <= t && t <= until);
  const filters = Object.fromEntries(["moving", "now", "size", "shown", "limit"].map((name) => [name, find(`filter-${name}`)]));
  const table = makeTable({ table: document.querySelector("table"), filters: { ...filters, unit }, seenAt });
  for (const name of ["moving", "now", "size"]) filters[name].addEventListener("input", () => table.filter(frames[now]?.t));

  // ---------------------------------------------------------------- time
  const [time, clock, play] = [find("time"), find("clock"), find("play")];
  time.max = Math.max(0, frames.length - 1);
  const seek = (to) => {
    if (!frames.length) return table.filter();
    now = Math.min(frames.length - 1, Math.max(0, to));
    const { t, time: seconds } = frames[now], text = `frame ${t}${seconds === null ? "" : ` · ${seconds.toFixed(2)} s`}`;
    time.value = now;
    time.setAttribute("aria-valuetext", text);
    clock.textContent = text;
    drawFrame(frames[now]);
    drawDepth();
    lanes.draw(t);
    table.filter(t);
    single();
  };
  const wait = () => {
    const [a, b] = [frames[now].time, frames[now + 1]?.time];
    return a === null || b === undefined || b === null ? 100 : Math.min(1000, Math.max(20, 1000 * (b - a)));
  };
  const tick = () => {
    if (now + 1 >= frames.length) return pause();
    seek(now + 1);
    timer = setTimeout(tick, wait());
  };
  const showPlaying = (playing) => {
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    find("play-icon").setAttribute("d", playing ? "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z" : "M4 2.5v11l9-5.5z");
  };
  const pause = () => {
    clearTimeout(timer);
    timer = null;
    showPlaying(false);
  };
  const toggle = () => {
    if (timer !== null || frames.length < 2) return pause();
    if (now + 1 >= frames.length) seek(0);
    showPlaying(true);
    timer = setTimeout(tick, wait());
  };
  play.addEventListener("click", toggle);
  time.addEventListener("input", () => { pause(); seek(+time.value); });
  const TAKES_KEYS = "button, summary, input";
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input[type=range]")) return;
    if (event.key === " " && !event.target.matches(TAKES_KEYS)) toggle();
    else if (event.key === "ArrowRight") { pause(); seek(now + 1); }
    else if (event.key === "ArrowLeft") { pause(); seek(now - 1); }
    else if (event.key === "Escape") { kept = null; single(); }
    else return;
    event.preventDefault();
  });

  // ---------------------------------------------------------------- singling out one object
  const objectAt = (node) => node.closest?.("[data-object]")?.dataset.object ?? null;
  const single = () => {
    const chosen = pointed ?? kept;
    document.body.classList.toggle("singled", chosen !== null);
    for (const element of document.querySelectorAll("[data-object]")) {
      element.classList.toggle("hot", element.dataset.object === chosen);
    }
    for (const button of document.querySelectorAll("tbody .number")) {
      button.setAttribute("aria-pressed", String(objectAt(button) === kept));
    }
    world.draw(now, chosen);
  };
  document.addEventListener("pointerover", (event) => {
    const over = event.pointerType === "mouse" ? objectAt(event.target) : null;
    if (over !== pointed) { pointed = over; single(); }
  });
  const choose = (id, { toggles = true } = {}) => {
    kept = toggles && kept === id ? null : id;
    single();
  };
  document.addEventListener("click", (event) => {
    const id = objectAt(event.target);
    if (id === null) return;
    const link = event.target.closest("[data-t]");
    choose(id, { toggles: !link && !event.target.closest(".bar") });
    if (link) jump(+link.dataset.t);
    else if (kept !== null && event.target.closest("table") && !seenAt(id, frames[now]?.t)) jump(byId.get(id).runs[0][0]);
  });
  find("world").addEventListener("click", (event) => {
    const id = world.pick(event.offsetX, event.offsetY);
    if (id !== undefined) choose(id);
  });

  // ---------------------------------------------------------------- start
  new ResizeObserver(() => { if (frames.length) { drawFrame(frames[now]); drawDepth(); single(); } }).observe(outlines);
  const wanted = new URLSearchParams(location.hash.slice(1)); // view.html#t=40&object=3&view=camera
  if (byId.has(wanted.get("object"))) kept = wanted.get("object");
  world.show(named.some((button) => button.dataset.view === wanted.get("view")) ? wanted.get("view") : "overview");
  seek(frames.length ? nearestTo(+(wanted.get("t") ?? 0) || 0) : 0);
  const fresh = () => {
    drawDepth();
    world.draw(now, pointed ?? kept);
  };
  deep.ready(view, fresh).then(() => {
    single();
    document.body.dataset.ready = "yes";
  });
})();
