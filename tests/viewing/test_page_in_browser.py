"""The page in a headless Chromium: no error, the slider moves the masks, a click selects in all views."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fast_snow.keyframes import encode_depth
from fast_snow.reasoning.tools.movement_table import movement_table
from fast_snow.untrusted_images import decode_channel
from fast_snow.viewing import html
from tests.viewing.test_html import GRID, RUN, images, masks, scene

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, _NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: looked for {', '.join(_NAMES)}")

NOTICE = """<script>
// Frames of a screen that nobody looks at may never come.
window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);
const errors = [];
console.error = (...all) => errors.push(all.join(" "));
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => errors.push(event.violatedDirective));
</script>"""

ACT = """<script>
const all = (query) => [...document.querySelectorAll(query)];
const ids = (query) => all(query).map((each) => +each.dataset.object);
const press = (target, place = {}) => {
  for (const kind of ["pointerdown", "pointerup", "click"]) {
    const made = kind === "click" ? MouseEvent : PointerEvent;
    target.dispatchEvent(new made(kind, { bubbles: true, pointerId: 1, ...place }));
  }
};
const drawn = () => new Promise((resolve) => setTimeout(resolve, 50));
const views = ["#outlines .shape", "#depth-outlines .shape", "#labels .spot", ".lane", "tbody tr"];
const hot = () => views.map((view) => [...new Set(ids(`${view}.hot`))]);
const act = async () => {
  const found = {};
  found.masks = [0, 2].map((at) => {
    time.value = at;
    time.dispatchEvent(new Event("input"));
    return all("#outlines path").map((path) => path.getAttribute("d"));
  });
  await drawn();
  for (const [name, query] of [
    ["outline", '#outlines [data-object="12"]'], ["label", '#labels [data-object="5"]'],
    ["lane", '.lane[data-object="12"] .tag'], ["row", 'tr[data-object="5"] .number'],
  ]) {
    press(document.querySelector(query));
    await drawn();
    found[name] = hot();
  }
  press(document.querySelector('tr[data-object="5"] .number')); // lets go
  await drawn();
  found.none = hot();
  const canvas = document.getElementById("world"), box = canvas.getBoundingClientRect();
  const place = document.querySelector('#labels [data-object="12"]').getAttribute("transform");
  const [x, y] = place.match(/[-\\d.]+/g).map(Number);
  press(canvas, { clientX: box.left + x, clientY: box.top + y });
  await drawn();
  found.point = hot();
  const context = canvas.getContext("2d"), painted = () => context.getImageData(0, 0, canvas.width, canvas.height).data;
  const before = painted();
  canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  await drawn();
  const after = painted();
  found.turned = after.some((value, i) => value !== before[i]);
  found.stayed = clock.textContent;
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  found.stepped = clock.textContent;
  const bar = document.querySelector(".bar").getBoundingClientRect();
  press(document.querySelector('.lane[data-object="5"] .bar'), { clientX: bar.left + 2 });
  found.jumped = clock.textContent;
  const order = () => ids("tbody tr:not([hidden])");
  document.querySelector("th.moved button").click();
  found.sorted = order();
  document.getElementById("filter-now").click();
  found.seen = order();
  document.getElementById("filter-now").click();
  document.getElementById("filter-moving").click();
  found.moving = order();
  document.querySelector('tr[data-object="12"] .goto').click();
  found.linked = clock.textContent;
  found.painted = painted().some((value) => value > 0);
  return found;
};
addEventListener("load", async () => {
  while (!document.body.dataset.ready) await drawn();
  const found = await act().catch((error) => ({ failed: String(error) }));
  document.body.dataset.found = JSON.stringify({ ...found, errors });
});
</script>"""

NARROW = """<!doctype html><iframe src="view.html" style="border:0;width:320px;height:1500px"></iframe><script>
onload = () => setTimeout(() => {
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.body.dataset.found = JSON.stringify({ width: page.scrollWidth });
}, 500);
</script>"""


def page() -> str:
    """Return the page of a scene with depth: a wall 3 m before the camera."""
    depth = decode_channel(encode_depth(np.full(GRID, 3, np.float32)), Path("depth.png"))
    moves = movement_table(scene())
    return html.render_run_page(scene(), masks(), images(), RUN, moves=moves, depths=[(0, depth)])


def found_by(path: Path, *options: str) -> dict[str, Any]:
    """Return what the scripts of a page wrote down, once they are done."""
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--window-size=1200,900"]
    command = [BROWSER, *flags, *options, f"--user-data-dir={path.parent / 'profile'}", "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found, dom[-2000:]
    return json.loads(found[1].replace("&quot;", '"').replace("&amp;", "&"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("page") / "view.html"
    path.write_text(page().replace("<style>", f"{NOTICE}<style>", 1).replace("</body>", f"{ACT}</body>"))
    return found_by(path)


def test_it_loads_without_an_error(found: dict[str, Any]):
    assert found["errors"] == []
    assert "failed" not in found
    assert found["painted"]


def test_the_slider_moves_the_masks(found: dict[str, Any]):
    first, later = found["masks"]
    assert len(first) == 1
    assert len(later) == 2


def test_a_click_selects_in_all_views(found: dict[str, Any]):
    # The depth is that of frame 0, where object 12 is not seen.
    assert found["outline"] == found["lane"] == [[12], [], [12], [12], [12]]
    assert found["label"] == found["row"] == [[5]] * 5
    assert found["point"] == [[12], [], [12], [12], [12]]


def test_keys_turn_the_scene_and_step_through_time(found: dict[str, Any]):
    assert found["turned"]
    assert found["stayed"].startswith("frame 2")
    assert found["stepped"].startswith("frame 3")


def test_lanes_and_rows_lead_to_frames(found: dict[str, Any]):
    assert found["jumped"].startswith("frame 0")
    assert found["linked"].startswith("frame 1")


def test_the_table_sorts_and_filters(found: dict[str, Any]):
    assert found["sorted"] == [12, 5]
    assert found["seen"] == [5]
    assert found["moving"] == [12]


def test_it_fits_a_narrow_phone(tmp_path: Path):
    (tmp_path / "view.html").write_text(page())
    (tmp_path / "narrow.html").write_text(NARROW)
    assert found_by(tmp_path / "narrow.html", "--allow-file-access-from-files")["width"] <= 320
