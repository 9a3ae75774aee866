"use strict";
// The scene in 3D, on a plain canvas. A run's points are few (20,000): they are drawn into a depth buffer of our own,
// lines by the canvas. No WebGL: it is the same in every browser, sandboxed frame and printer, and needs no library.
// World axes: x right, y down, z forward.
const makeScene = ({ canvas, labels, scene, cloudAt, unit, colors, plate, changed }) => {
  const context = canvas.getContext("2d"), points = document.createElement("canvas"), paint = points.getContext("2d");
  const { bounds: [low, high], cameras, tracks } = scene;
  const middle = low.map((value, axis) => (value + high[axis]) / 2);
  const reach = Math.max(1e-6, Math.hypot(...low.map((value, axis) => high[axis] - value))) / 2;
  const TRAIL = 50; // shown frames that the bold part of a trail reaches back
  const EDGES = [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]];
  const color = (name) => getComputedStyle(canvas).getPropertyValue(name);
  let width = 1, height = 1, ratio = 1, now = 0, chosen = null, owner = null, buffers = null, view = null, shown = "overview";

  // ---------------------------------------------------------------- the eye
  const add = (a, b, k = 1) => [a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]];
  const turned = ([x, y, z, w], v) => {
    const t = [2 * (y * v[2] - z * v[1]), 2 * (z * v[0] - x * v[2]), 2 * (x * v[1] - y * v[0])];
    return [v[0] + w * t[0] + y * t[2] - z * t[1], v[1] + w * t[1] + z * t[0] - x * t[2], v[2] + w * t[2] + x * t[1] - y * t[0]];
  };
  const axes = () => {
    if (view.turn) return view.turn; // of a camera: it may be rolled
    const [a, b] = [view.yaw, view.pitch];
    const forward = [Math.sin(a) * Math.cos(b), Math.sin(b), Math.cos(a) * Math.cos(b)], right = [Math.cos(a), 0, -Math.sin(a)];
    return { forward, right, down: [forward[1] * right[2], forward[2] * right[0] - forward[0] * right[2], -forward[1] * right[0]] };
  };
  const lens = () => (view.lens ? view.lens * Math.min(height, width * view.aspect) : 1.1 * Math.min(width, height));
  const projection = () => {
    const { forward, right, down } = axes(), eye = add(view.target, forward, -view.distance), focal = lens();
    return { forward, right, down, eye, focal, near: reach * 2e-3 };
  };
  const seenFrom = (eye, p) => {
    const v = add(p, eye.eye, -1);
    return [0, 1, 2].reduce(([x, y, z], i) => [x + eye.right[i] * v[i], y + eye.down[i] * v[i], z + eye.forward[i] * v[i]], [0, 0, 0]);
  };
  const onScreen = (eye, [x, y, z]) => [width / 2 + (eye.focal * x) / z, height / 2 + (eye.focal * y) / z];
  const cornersOf = ([a, b]) => [...Array(8).keys()].map((i) => [i & 1 ? b[0] : a[0], i & 2 ? b[1] : a[1], i & 4 ? b[2] : a[2]]);
  const inSight = (p) => p.every((value, axis) => value >= low[axis] - reach / 20 && value <= high[axis] + reach / 20);
  const framed = [...cameras.map((each) => each.p), ...tracks.flatMap((track) => track.box.flat())].filter(inSight);
  // Move and step back until the camera's path and the objects fill the canvas.
  const fitted = (angles) => {
    view = { ...angles, target: middle, distance: 2 * reach };
    for (let step = 0; step < 8; step++) {
      const eye = projection(), corners = (framed.length ? framed : [low, high]).map((corner) => onScreen(eye, seenFrom(eye, corner)));
      const [[u0, u1], [v0, v1]] = [0, 1].map((axis) => [Math.min(...corners.map((c) => c[axis])), Math.max(...corners.map((c) => c[axis]))]);
      const k = view.distance / eye.focal, [du, dv] = [(u0 + u1 - width) / 2, (v0 + v1 - height) / 2];
      view.target = add(add(view.target, eye.right, du * k), eye.down, dv * k);
      view.distance = Math.max(reach * 0.3, view.distance * Math.max((u1 - u0) / (0.92 * width), (v1 - v0) / (0.8 * height)));
    }
    return view;
  };
  const views = {
    overview: () => [0.3, 0.45, 0.6, -0.3, -0.45, -0.6] // from the side from which it can be nearest
      .map((yaw) => fitted({ yaw, pitch: 0.5 })).reduce((best, each) => (each.distance < 0.95 * best.distance ? each : best)),
    above: () => fitted({ yaw: 0, pitch: Math.PI / 2 - 1e-3 }),
    camera: () => {
      const { p, q, lens: known } = cameras[now], axis = (v) => (q ? turned(q, v) : v);
      const turn = { right: axis([1, 0, 0]), down: axis([0, 1, 0]), forward: axis([0, 0, 1]) }, [x, y, z] = turn.forward;
      const angles = { yaw: Math.atan2(x, z), pitch: Math.asin(Math.max(-1, Math.min(1, y))) }, distance = reach / 2;
      const fit = known ? { lens: known[1], aspect: known[0] / known[1] } : {};
      return { ...angles, ...fit, turn, distance, target: add(p, turn.forward, distance) };
    },
  };

  // ---------------------------------------------------------------- drawing
  const drawPoints = (eye) => {
    const cloud = cloudAt(now);
    owner = null;
    if (!cloud) return;
    const w = canvas.width, h = canvas.height;
    if (buffers?.image.width !== w || buffers.image.height !== h) {
      [points.width, points.height] = [w, h];
      const image = paint.createImageData(w, h), pixels = new Uint32Array(image.data.buffer);
      buffers = { image, pixels, depth: new Float32Array(w * h), owner: new Int32Array(w * h) };
    }
    const { image, pixels, depth } = buffers, { at, rgb, size, owners } = cloud, focal = eye.focal * ratio;
    owner = buffers.owner.fill(-1);
    pixels.fill(0);
    depth.fill(0);
    const only = Number(chosen), [e, r, d, f] = [eye.eye, eye.right, eye.down, eye.forward];
    for (let i = 0, k = 0; i < size.length; i++, k += 3) {
      const x = at[k] - e[0], y = at[k + 1] - e[1], z = at[k + 2] - e[2], far = f[0] * x + f[1] * y + f[2] * z;
      if (far < eye.near) continue;
      const u = w / 2 + (focal * (r[0] * x + r[1] * y + r[2] * z)) / far, v = h / 2 + (focal * (d[0] * x + d[1] * y + d[2] * z)) / far;
      const side = Math.min(9 * ratio, Math.max(1.3 * ratio, (1.35 * focal * size[i]) / far)), closeness = 1 / far;
      const u0 = Math.max(0, Math.round(u - side / 2)), u1 = Math.min(w, Math.max(u0 + 1, Math.round(u + side / 2)));
      const v0 = Math.max(0, Math.round(v - side / 2)), v1 = Math.min(h, Math.max(v0 + 1, Math.round(v + side / 2)));
      const value = (chosen !== null && owners[i] !== only ? 0x48000000 : 0xff000000) | rgb[i];
      for (let row = v0; row < v1; row++) {
        for (let j = row * w + u0, end = row * w + u1; j < end; j++) {
          if (depth[j] >= closeness) continue;
          depth[j] = closeness;
          pixels[j] = value;
          owner[j] = owners[i];
        }
      }
    }
    paint.putImageData(image, 0, 0);
    context.drawImage(points, 0, 0, width, height);
  };
  const trace = (eye, path) => {
    let before = null;
    for (const place of path) {
      const p = seenFrom(eye, place);
      if (before) {
        const [a, b] = before[2] < p[2] ? [before, p] : [p, before];
        if (b[2] > eye.near) {
          const k = a[2] >= eye.near ? 0 : (eye.near - a[2]) / (b[2] - a[2]);
          context.moveTo(...onScreen(eye, [a[0] + k * (b[0] - a[0]), a[1] + k * (b[1] - a[1]), Math.max(a[2], eye.near)]));
          context.lineTo(...onScreen(eye, b));
        }
      }
      before = p;
    }
  };
  const draw = (eye, paths, stroke, line, alpha, dash = []) => {
    context.beginPath();
    paths.forEach((path) => trace(eye, path));
    Object.assign(context, { strokeStyle: stroke, lineWidth: line, globalAlpha: alpha, lineCap: "round", lineJoin: "round" });
    context.setLineDash(dash);
    context.stroke();
    context.globalAlpha = 1;
  };
  const gridStep = () => {
    const rough = reach / 5, power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough);
  };
  const drawFloor = (eye) => {
    const step = gridStep(), floor = high[1], lines = [];
    const [x0, z0] = [low[0], low[2]].map((value) => Math.floor(value / step) * step);
    const [x1, z1] = [high[0], high[2]].map((value) => Math.ceil(value / step) * step);
    for (let x = x0; x <= x1 + step / 2; x += step) lines.push([[x, floor, z0], [x, floor, z1]]);
    for (let z = z0; z <= z1 + step / 2; z += step) lines.push([[x0, floor, z], [x1, floor, z]]);
    draw(eye, lines, color("--soft"), 1, 0.28);
  };
  const worldOf = (i) => cameras[i].world === cameras[now].world;
  const drawCamera = (eye) => {
    const mark = color("--mark"), path = (stop) => cameras.slice(0, stop).filter((_, i) => worldOf(i)).map((each) => each.p);
    draw(eye, [path(cameras.length)], mark, 1.5, 0.3);
    draw(eye, [path(now + 1)], mark, 2.5, 0.9);
    const { p, q, lens: known } = cameras[now];
    if (!q || shown === "camera") return;
    const [fx, fy, cx, cy] = known ?? [1, 1.33, 0.5, 0.5], far = reach * 0.16;
    const corner = (u, v) => add(p, turned(q, [((u - cx) / fx) * far, ((v - cy) / fy) * far, far]));
    const [a, b, c, d, top] = [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1), corner(0.5, -0.12)];
    draw(eye, [[p, a], [p, b], [p, c], [p, d], [a, b, c, d, a], [a, top, b]], mark, 1.5, 0.85);
  };
  const trails = tracks.map(({ at, center }) => center.map((_, i) => {
    let [total, sum] = [0, [0, 0, 0]];
    for (let j = Math.max(0, i - 2); j <= Math.min(at.length - 1, i + 2); j++) {
      if (Math.abs(at[j] - at[i]) > 2 || cameras[at[j]].world !== cameras[at[i]].world) continue;
      const weight = 3 - Math.abs(at[j] - at[i]);
      [total, sum] = [total + weight, add(sum, center[j], weight)];
    }
    return sum.map((value) => value / total);
  }));
  const seenUntil = (at) => {
    let [first, last] = [0, at.length];
    while (first < last) {
      const half = (first + last) >> 1;
      if (at[half] <= now) first = half + 1; else last = half;
    }
    return first;
  };
  const drawTrack = (eye, track, trail) => {
    const here = track.at.map((each, i) => (worldOf(each) ? i : -1)).filter((i) => i >= 0);
    if (!here.length) return;
    const stop = seenUntil(track.at), dim = chosen !== null && String(track.id) !== chosen ? 0.18 : 1, { fill, ink } = colors(track.id);
    const pieces = (until) => here.filter((i) => i > 0 && i < until).map((i) => [i, [trail[i - 1], trail[i]]]).filter(([i]) => worldOf(track.at[i - 1]));
    const joined = ([i]) => track.at[i] - track.at[i - 1] <= 1;
    const [all, past] = [pieces(trail.length), pieces(stop)], paths = (some) => some.map(([, path]) => path);
    draw(eye, paths(all.filter(joined)), fill, 1.5, 0.35 * dim);
    draw(eye, paths(all.filter((each) => !joined(each))), fill, 1, 0.35 * dim, [2, 5]);
    draw(eye, paths(past.filter(joined).filter(([i]) => track.at[i] > now - TRAIL)), fill, 3, dim);
    if (!stop || !worldOf(track.at[stop - 1])) return;
    const corners = cornersOf(track.box[stop - 1]), seen = track.at[stop - 1] === now, edges = EDGES.map(([a, b]) => [corners[a], corners[b]]);
    if (seen) draw(eye, edges, color("--well"), 4, 0.55 * dim);
    draw(eye, edges, fill, chosen === String(track.id) ? 3 : 2, (seen ? 1 : 0.45) * dim, seen ? [] : [3, 5]);
    const p = seenFrom(eye, trail[stop - 1]);
    if (p[2] < eye.near) return;
    const spot = plate(labels, track.id, 9);
    spot.setAttribute("transform", `translate(${onScreen(eye, p).map((value) => value.toFixed(1)).join(" ")})`);
    spot.setAttribute("class", `spot${seen ? "" : " away"}`);
    spot.dataset.object = track.id;
    spot.classList.toggle("hot", String(track.id) === chosen);
    spot.querySelector("text").setAttribute("fill", seen ? ink : color("--ink"));
  };
  let waiting = 0;
  const redraw = () => {
    waiting = 0;
    if (!cameras.length) return;
    if (shown === "camera") view = views.camera();
    const eye = projection();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    labels.replaceChildren();
    drawFloor(eye);
    drawPoints(eye);
    drawCamera(eye);
    tracks.forEach((track, i) => drawTrack(eye, track, trails[i]));
  };
  const later = () => { waiting ||= requestAnimationFrame(redraw); };

  // ---------------------------------------------------------------- hands on it
  const free = () => {
    delete view.lens;
    delete view.turn;
    shown = null;
    changed(null);
  };
  const orbit = (dx, dy) => {
    free();
    view.yaw += dx;
    view.pitch = Math.max(-1.5, Math.min(1.569, view.pitch + dy));
    later();
  };
  const move = (dx, dy) => {
    free();
    const { right, down } = axes(), k = view.distance / lens();
    view.target = add(add(view.target, right, -dx * k), down, -dy * k);
    later();
  };
  const zoom = (factor) => {
    free();
    view.distance = Math.max(reach * 0.02, Math.min(reach * 20, view.distance * factor));
    later();
  };
  const show = (name) => {
    shown = name;
    view = views[name]();
    changed(name);
    later();
  };
  const fingers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  };
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]], apart = fingers.size === 2 ? spread() : 0;
    moved += Math.abs(dx) + Math.abs(dy);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (moved < 4) return;
    if (apart) { zoom(apart / spread()); move(dx / 2, dy / 2); }
    else if (event.buttons & 2 || event.shiftKey) move(dx, dy);
    else orbit(-dx * 0.008, -dy * 0.008);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return; // until it is clicked, the page scrolls
    event.preventDefault();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.003));
  }, { passive: false });
  const keys = {
    ArrowLeft: [0.08, 0], ArrowRight: [-0.08, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08],
  };
  canvas.addEventListener("keydown", (event) => {
    const turn = keys[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (turn && event.shiftKey) move(turn[0] * 300, turn[1] * 300);
    else if (turn) orbit(...turn);
    else if (event.key === "+" || event.key === "=") zoom(0.9);
    else if (event.key === "-") zoom(1 / 0.9);
    else if (event.key === "0") show("overview");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  new ResizeObserver(() => {
    [width, height, ratio] = [canvas.clientWidth || 1, canvas.clientHeight || 1, Math.min(2, devicePixelRatio || 1)];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    labels.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (shown && cameras.length) view = views[shown]();
    redraw();
  }).observe(canvas);
  view = views.overview();
  return {
    show,
    grid: `grid ${+gridStep().toPrecision(3)} ${unit}, world axes x and z`,
    draw: (at, object) => { [now, chosen] = [at, object]; later(); },
    // The object whose points or box are at a place of the canvas; null after a drag.
    pick: (x, y) => {
      if (moved >= 4 || !cameras.length) return undefined;
      const found = owner ? owner[Math.round(y * ratio) * canvas.width + Math.round(x * ratio)] : -1;
      if (found >= 0) return String(found);
      const eye = projection();
      const boxes = tracks.flatMap((track) => {
        const stop = seenUntil(track.at);
        if (!stop || !worldOf(track.at[stop - 1])) return [];
        const seen = cornersOf(track.box[stop - 1]).map((corner) => seenFrom(eye, corner));
        if (seen.some((p) => p[2] < eye.near)) return [];
        const [us, vs] = [0, 1].map((axis) => seen.map((p) => onScreen(eye, p)[axis]));
        const [u0, u1, v0, v1] = [Math.min(...us), Math.max(...us), Math.min(...vs), Math.max(...vs)];
        return x >= u0 && x <= u1 && y >= v0 && y <= v1 ? [{ id: String(track.id), area: (u1 - u0) * (v1 - v0) }] : [];
      });
      return boxes.sort((a, b) => a.area - b.area)[0]?.id ?? null;
    },
  };
};
