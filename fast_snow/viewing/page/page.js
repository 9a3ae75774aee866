"use strict";
(() => {
  const { view, frames, plan, palette, unit } = JSON.parse(document.getElementById("data").textContent);
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

  // ---------------------------------------------------------------- the frame and its outlines
  const [picture, outlines] = [find("picture"), find("outlines")];
  outlines.setAttribute("viewBox", `0 0 ${view[1]} ${view[0]}`);
  const drawFrame = (frame) => {
    picture.hidden = frame.image === null;
    if (frame.image !== null) picture.src = frame.image;
    const scale = view[1] / (outlines.clientWidth || view[1]);
    outlines.replaceChildren();
    for (const shape of frame.shapes) {
      const group = svg("g", { class: shape.unplaced ? "shape unplaced" : "shape", "data-object": shape.id }, outlines);
      svg("path", { d: shape.d, fill: colors(shape.id).fill, stroke: colors(shape.id).fill }, group);
    }
    // Numbers come last, so that no outline hides one.
    for (const shape of frame.shapes) {
      const group = svg("g", { class: "shape", "data-object": shape.id }, outlines);
      plate(group, shape.id, 10).setAttribute("transform", `translate(${shape.at.join(" ")}) scale(${scale})`);
    }
  };

  // ---------------------------------------------------------------- the scene from above
  const above = find("plan");
  let scene = null;
  const layPlan = () => {
    const width = above.clientWidth || 480, height = above.clientHeight || 360;
    const [x0, x1, z0, z1] = plan.bounds;
    const scale = Math.min(width / (x1 - x0), height / (z1 - z0));
    const u = (x) => width / 2 + (x - (x0 + x1) / 2) * scale;
    const v = (z) => height / 2 - (z - (z0 + z1) / 2) * scale;
    above.setAttribute("viewBox", `0 0 ${width} ${height}`);
    above.replaceChildren();
    drawGrid(width, height, scale, u, v);
    const line = (xs, zs, stop) => xs.slice(0, stop).map((x, i) => `${i ? "L" : "M"}${u(x).toFixed(1)} ${v(zs[i]).toFixed(1)}`).join("");
    const camera = svg("g", {}, above);
    svg("path", { class: "path all camera", d: line(plan.ego.x, plan.ego.z) }, camera);
    scene = {
      u, v, line,
      past: svg("path", { class: "path past camera" }, camera),
      sight: svg("path", { class: "sight" }, camera),
      here: svg("circle", { class: "here", r: 4 }, camera),
      tracks: plan.tracks.map((track) => {
        const group = svg("g", { class: "track", "data-object": track.id }, above);
        svg("path", { class: "reach", d: line(track.x, track.z) }, group);
        svg("path", { class: "path all", stroke: track.color, d: line(track.x, track.z) }, group);
        return {
          ...track, group,
          footprint: svg("rect", { class: "footprint", fill: track.color, stroke: track.color, rx: 2 }, group),
          past: svg("path", { class: "path past", stroke: track.color }, group),
          spot: plate(group, track.id, 9),
        };
      }),
    };
  };
  const drawGrid = (width, height, scale, u, v) => {
    const rough = 70 / scale, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough);
    const label = (k) => `${+(k * step).toPrecision(6)} ${unit}`.replace("-", "\u2212");
    const from = (pixel) => Math.ceil((pixel - u(0)) / scale / step), until = Math.floor((width - u(0)) / scale / step);
    for (let k = from(0); k <= until; k++) {
      const x = u(k * step);
      svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: height }, above);
      svg("text", { class: "grid-label", x: x + 4, y: 14 }, above).textContent = label(k);
    }
    for (let k = Math.ceil((v(0) - height) / scale / step); k <= Math.floor(v(0) / scale / step); k++) {
      const y = v(k * step);
      svg("line", { class: "grid", x1: 0, x2: width, y1: y, y2: y }, above);
      if (y > 24) svg("text", { class: "grid-label", x: 6, y: y - 4 }, above).textContent = label(k);
    }
  };
  const seenUntil = (at, now) => {
    let [low, high] = [0, at.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] <= now) low = middle + 1; else high = middle;
    }
    return low;
  };
  const drawPlan = (now) => {
    const { u, v, line } = scene, ego = plan.ego, stop = seenUntil(ego.at, now);
    scene.past.setAttribute("d", line(ego.x, ego.z, stop));
    if (stop) {
      const [x, y, heading] = [u(ego.x[stop - 1]), v(ego.z[stop - 1]), ego.heading[stop - 1]];
      scene.here.setAttribute("cx", x);
      scene.here.setAttribute("cy", y);
      const edge = (angle) => `${x + 46 * Math.sin(angle)} ${y - 46 * Math.cos(angle)}`;
      const sight = heading === null ? "" : `M${x} ${y}L${edge(heading - ego.half_view)}L${edge(heading + ego.half_view)}z`;
      scene.sight.setAttribute("d", sight);
    }
    for (const track of scene.tracks) {
      const last = seenUntil(track.at, now);
      track.group.classList.toggle("unborn", last === 0);
      track.group.classList.toggle("away", last > 0 && track.at[last - 1] !== now);
      track.past.setAttribute("d", line(track.x, track.z, last));
      if (!last) continue;
      track.spot.setAttribute("transform", `translate(${u(track.x[last - 1])} ${v(track.z[last - 1])})`);
      const [left, right, near, far] = track.box[last - 1];
      const place = { x: u(left), y: v(far), width: Math.max(1, u(right) - u(left)), height: Math.max(1, v(near) - v(far)) };
      for (const [key, value] of Object.entries(place)) track.footprint.setAttribute(key, value);
    }
  };

  // ---------------------------------------------------------------- time
  const [time, clock, play] = [find("time"), find("clock"), find("play")];
  let now = 0, timer = null;
  time.max = Math.max(0, frames.length - 1);
  const seek = (to) => {
    if (!frames.length) return;
    now = Math.min(frames.length - 1, Math.max(0, to));
    const { t, time: seconds } = frames[now];
    const text = `frame ${t}${seconds === null ? "" : ` · ${seconds.toFixed(2)} s`}`;
    time.value = now;
    time.setAttribute("aria-valuetext", text);
    clock.textContent = text;
    drawFrame(frames[now]);
    drawPlan(now);
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
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target === time) return;
    if (event.key === " " && event.target.localName !== "button" && event.target.localName !== "summary") toggle();
    else if (event.key === "ArrowRight") { pause(); seek(now + 1); }
    else if (event.key === "ArrowLeft") { pause(); seek(now - 1); }
    else if (event.key === "Escape") { kept = null; single(); }
    else return;
    event.preventDefault();
  });

  // ---------------------------------------------------------------- singling out one object
  let kept = null, pointed = null;
  const objectAt = (node) => node.closest?.("[data-object]")?.dataset.object ?? null;
  const single = () => {
    const chosen = pointed ?? kept;
    document.body.classList.toggle("singled", chosen !== null);
    for (const element of document.querySelectorAll("[data-object]")) {
      element.classList.toggle("hot", element.dataset.object === chosen);
    }
    for (const button of document.querySelectorAll("tbody button")) {
      button.setAttribute("aria-pressed", String(objectAt(button) === kept));
    }
  };
  document.addEventListener("pointerover", (event) => {
    const there = event.pointerType === "mouse" ? objectAt(event.target) : null;
    if (there !== pointed) { pointed = there; single(); }
  });
  document.addEventListener("click", (event) => {
    const there = objectAt(event.target);
    if (there === null) return;
    kept = kept === there ? null : there;
    const track = plan.tracks.find((each) => String(each.id) === there);
    if (kept !== null && event.target.closest("table") && track?.at.length && !track.at.includes(now)) seek(track.at[0]);
    single();
  });

  // ---------------------------------------------------------------- size
  new ResizeObserver(() => { layPlan(); seek(now); }).observe(above);
  new ResizeObserver(() => seek(now)).observe(outlines);
  layPlan();
  seek(0);
})();
