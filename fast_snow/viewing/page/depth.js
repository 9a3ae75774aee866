"use strict";
// Depth images: decoded once, drawn as colours, and as points of the world in the colours of their frame.
const makeDepth = ({ frames, cameras, depth }) => {
  const STOPS = [[252, 230, 160], [250, 160, 105], [222, 85, 100], [150, 45, 125], [80, 20, 120], [22, 14, 54]]; // near to far
  const side = (width, height) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    return canvas.getContext("2d", { willReadFrequently: true });
  };
  const load = (uri) => new Promise((resolve, reject) => {
    const image = new Image();
    [image.onload, image.onerror, image.src] = [() => resolve(image), reject, uri];
  });
  const pixelsOf = (image, width, height) => {
    const context = side(width, height);
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  const known = []; // one per image: width, height, distance of each pixel (0: none), near, far
  const read = async (entry) => {
    const image = await load(entry.image), { naturalWidth: width, naturalHeight: height } = image;
    const data = pixelsOf(image, width, height), distance = new Float32Array(width * height);
    for (let i = 0; i < distance.length; i++) {
      const code = 256 * data[4 * i] + data[4 * i + 1];
      distance[i] = code ? depth.unit * 2 ** ((code - depth.one) / depth.steps) : 0;
    }
    const sorted = distance.filter((value) => value > 0).sort(), share = (part) => sorted[Math.floor(part * (sorted.length - 1))] ?? 1;
    return { at: entry.at, width, height, distance, near: share(0.02), far: share(0.98) };
  };
  const tint = (each, value) => {
    const place = each.far > each.near ? Math.log(value / each.near) / Math.log(each.far / each.near) : 0;
    const k = Math.max(0, Math.min(1, place)) * (STOPS.length - 1), i = Math.min(STOPS.length - 2, Math.floor(k));
    return STOPS[i].map((from, channel) => from + (k - i) * (STOPS[i + 1][channel] - from));
  };
  const drawOn = (canvas, each) => {
    const context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [each.width, each.height];
    const image = context.createImageData(each.width, each.height);
    each.distance.forEach((value, i) => { if (value) image.data.set([...tint(each, value), 255], 4 * i); });
    context.putImageData(image, 0, 0);
  };
  const turn = ([x, y, z, w]) => [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ];
  // Which object each pixel is part of, from its outlines: drawn without a colour of their own, as numbers.
  const ownersOf = (each, view) => {
    const context = side(each.width, each.height), owners = new Int32Array(each.distance.length).fill(-1);
    context.scale(each.width / view[1], each.height / view[0]);
    const shapes = frames[each.at].shapes;
    shapes.forEach((shape, i) => {
      context.fillStyle = `rgb(${(i + 1) >> 8},${(i + 1) & 255},${((i + 1) * 37) & 255})`;
      context.fill(new Path2D(shape.d), "evenodd");
    });
    const data = context.getImageData(0, 0, each.width, each.height).data;
    for (let i = 0; i < owners.length; i++) {
      const number = 256 * data[4 * i] + data[4 * i + 1]; // blended edges fail the check
      if (data[4 * i + 3] === 255 && number <= shapes.length && data[4 * i + 2] === ((number * 37) & 255)) owners[i] = shapes[number - 1].id;
    }
    return owners;
  };
  const cloudOf = async (each, view) => {
    const { p, q, lens } = cameras[each.at];
    if (!q || !lens) return null;
    const picture = frames[each.at].image, rgba = picture && pixelsOf(await load(picture), each.width, each.height);
    const { width, height, distance } = each, owners = ownersOf(each, view), R = turn(q);
    const place = (i) => {
      const z = distance[i], u = ((i % width) + 0.5) / width, v = (Math.floor(i / width) + 0.5) / height;
      const [x, y] = [(z * (u - lens[2])) / lens[0], (z * (v - lens[3])) / lens[1]];
      return [0, 1, 2].map((axis) => p[axis] + R[3 * axis] * x + R[3 * axis + 1] * y + R[3 * axis + 2] * z);
    };
    const kept = [...distance.keys()].filter((i) => distance[i] > 0), count = kept.length;
    const cloud = { at: new Float32Array(3 * count), rgb: new Uint32Array(count), size: new Float32Array(count), owners: Int32Array.from(kept, (i) => owners[i]) };
    kept.forEach((i, k) => {
      const at = place(i), least = distance[i] / (lens[0] * width);
      // As large as the step to the pixel below, so that surfaces seen at a slant have no stripes; no bridge over edges.
      const step = distance[i + width] > 0 ? Math.hypot(...place(i + width).map((value, axis) => value - at[axis])) : least;
      const [r, g, b] = rgba ? rgba.subarray(4 * i, 4 * i + 3) : tint(each, distance[i]);
      cloud.at.set(at, 3 * k);
      cloud.rgb[k] = (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
      cloud.size[k] = step < 6 * least ? Math.max(least, step) : least;
    });
    return cloud;
  };
  // The depth image nearest in time, of the same world.
  const nearest = (now) => known
    .filter((each) => cameras[each.at].world === cameras[now].world)
    .reduce((best, each) => (!best || Math.abs(each.at - now) < Math.abs(best.at - now) ? each : best), null);
  return {
    nearest,
    drawOn,
    cloudAt: (now) => nearest(now)?.cloud ?? null,
    gradient: `linear-gradient(90deg, ${STOPS.map((stop) => `rgb(${stop.join(" ")})`).join(", ")})`,
    ready: async (view, changed) => {
      for (const entry of depth.images) {
        const each = await read(entry);
        known.push({ ...each, cloud: await cloudOf(each, view) });
        changed();
      }
    },
  };
};
