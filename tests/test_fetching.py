"""Downloads against a server on 127.0.0.1 that behaves like the sources, well and badly."""

import hashlib
import json
import sys
import traceback
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from fast_snow import weights
from fast_snow.config import Config, Da3Config, EnginesConfig, FastSamConfig, Sam3Config
from fast_snow.errors import ConfigError, FastSnowError, FastSnowWarning, OutputError, UserError
from fast_snow.fetching import Endpoints, Fetched, fetch_weights
from fast_snow.fetching.published_digests import Published
from tests.loopback import COMMIT, File, Site, serving

TAG = weights.named("FastSAM-s").source.tag
RELEASE = ("ultralytics/assets", TAG, "FastSAM-s.pt")
RELEASE_PATH = f"/ultralytics/assets/releases/download/{TAG}/FastSAM-s.pt"
DESCRIPTION = f"/repos/ultralytics/assets/releases/tags/{TAG}"
SMALL, SAM3 = "depth-anything/DA3-SMALL", "facebook/sam3"
CONFIG_JSON = b'{"model_name": "da3-small"}'


def checkpoint(size: int = 3_000_000, seed: int = 0) -> bytes:
    """A zip archive of about that size, as torch writes them."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", hashlib.shake_256(bytes([seed])).digest(size))
    return buffer.getvalue()


def safetensors(seed: int = 0) -> bytes:
    payload = hashlib.shake_256(bytes([seed])).digest(100_000)
    header = json.dumps({"w": {"dtype": "U8", "shape": [100_000], "data_offsets": [0, 100_000]}}).encode()
    return len(header).to_bytes(8, "little") + header + payload


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def site(server: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    server.files.clear()
    server.asked.clear()
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # what is lost of a connection that is cut
    monkeypatch.setattr("time.sleep", lambda _: None)  # before attempts to resume
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return server


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        fastsam=FastSamConfig(model_path=str(tmp_path / "fastsam" / "FastSAM-s.pt")),
        da3=Da3Config(model_path=str(tmp_path / "da3-small")),
        sam3=Sam3Config(model_path=str(tmp_path / "sam3")),
    )


def fetched(site: Site, config: Config, *names: str, force: bool = False) -> tuple[Fetched, ...]:
    endpoints = Endpoints(hugging_face=site.url, github=site.url, github_api=site.url)
    return fetch_weights(names, config, force=force, endpoints=endpoints)


def place(config: Config) -> Path:
    return Path(config.fastsam.model_path)


def part(config: Config) -> Path:
    return place(config).with_name("FastSAM-s.pt.part")


# ------------------------------------------------------------------------------------------------ releases on GitHub


def test_a_release_is_downloaded_checked_and_recorded(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content)
    seen: list[tuple[str, int, int]] = []
    endpoints = Endpoints(github=site.url, github_api=site.url)
    (result,) = fetch_weights(
        ["FastSAM-s"], config, progress=lambda *figures: seen.append(figures), endpoints=endpoints
    )
    assert place(config).read_bytes() == content
    assert result.downloaded == ("FastSAM-s.pt",)
    recorded = result.files["FastSAM-s.pt"]
    assert recorded.verified
    assert weights.read(place(config).parent) == result.files
    assert (recorded.sha256, recorded.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (recorded.source, recorded.revision) == (site.url + RELEASE_PATH, TAG)
    assert sorted(each.name for each in place(config).parent.iterdir()) == ["FastSAM-s.pt", weights.RECORD]
    figures = [figure for what, *figure in seen if what == "FastSAM-s.pt (MB)"]
    assert figures[0] == [0, 4]
    assert figures[-1] == [4, 4]
    assert figures == sorted(figures)
    assert figures.count([4, 4]) == 1


def test_what_is_there_and_checked_needs_no_network(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint())
    fetched(site, config, "FastSAM-s")
    site.asked.clear()
    (again,) = fetched(site, config, "fastsam-s")
    assert not again.downloaded
    assert again.files["FastSAM-s.pt"].verified
    assert site.asked == []


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content, cuts=[1_100_000, 700_000])
    (result,) = fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert result.files["FastSAM-s.pt"].verified
    assert site.downloads()[1:] == [
        RELEASE_PATH,
        f"{RELEASE_PATH} bytes=1100000-",
        f"{RELEASE_PATH} bytes=1800000-",
    ]


def test_a_connection_that_is_reset_is_resumed_at_once(site: Site, config: Config, monkeypatch: pytest.MonkeyPatch):
    from fast_snow.fetching import download

    content, http_get = checkpoint(), download.http_get
    site.publish_release(*RELEASE, content)
    client = sys.modules[download._ClientError.__module__.partition(".")[0]]

    def reset_twice(url: str, file: BinaryIO, *, resume_size: int, **how: object) -> None:
        if resume_size < 2000:
            file.write(content[resume_size : resume_size + 1000])
            raise client.ReadError("connection reset by peer")
        http_get(url, file, resume_size=resume_size, **how)

    monkeypatch.setattr(download, "http_get", reset_twice)
    fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert site.downloads()[1:] == [f"{RELEASE_PATH} bytes=2000-"]


def test_an_interrupted_download_goes_on_when_asked_again(site: Site, config: Config):
    content = checkpoint()
    file = site.publish_release(*RELEASE, content)

    def interrupt(what: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(
            ["FastSAM-s"], config, progress=interrupt, endpoints=Endpoints(github=site.url, github_api=site.url)
        )
    kept = part(config).stat().st_size
    assert 0 < kept < len(content)
    assert not place(config).exists()
    fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert site.downloads()[-1] == f"{RELEASE_PATH} bytes={kept}-"
    assert file.content == content


def test_a_server_that_always_cuts_leaves_the_part_and_one_line(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint(), cuts=[1000] + [0] * 20)
    with pytest.raises(FastSnowError, match=r"lost at 0\.0 of 3\.0 MB .* is kept: run the same command") as caught:
        fetched(site, config, "FastSAM-s")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1
    assert part(config).stat().st_size == 1000
    assert not place(config).exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_of_another_revision_is_thrown_away(site: Site, config: Config, ranges: bool):
    """With ranges the digest tells, and all is asked for again; without them the server sends all at once."""
    content = checkpoint()
    site.publish_release(*RELEASE, content, ranges=ranges)
    part(config).parent.mkdir()
    part(config).write_bytes(b"other" * 1000)
    fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert not part(config).exists()
    assert site.downloads()[1:] == [f"{RELEASE_PATH} bytes=5000-", RELEASE_PATH][: 1 + ranges]


@pytest.mark.parametrize("excess", [b"", b"too long"])
def test_a_part_that_is_complete_or_too_long(site: Site, config: Config, excess: bytes):
    content = checkpoint()
    site.publish_release(*RELEASE, content)
    part(config).parent.mkdir()
    part(config).write_bytes(content + excess)
    fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert site.downloads()[1:] == ([RELEASE_PATH] if excess else [])


@pytest.mark.parametrize("excess", [b"", b"too long"])
def test_a_part_of_a_file_whose_size_is_not_published(site: Site, config: Config, excess: bytes):
    content = checkpoint()
    site.publish_release(*RELEASE, content)
    site.files[DESCRIPTION] = File(status=403)
    part(config).parent.mkdir()
    part(config).write_bytes(content + excess)
    with pytest.warns(FastSnowWarning):
        fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == content
    assert site.downloads()[1:] == [f"{RELEASE_PATH} bytes={len(content + excess)}-", RELEASE_PATH]


def test_a_wrong_digest_leaves_nothing(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content).content = checkpoint(seed=1)
    with pytest.raises(FastSnowError, match="the download has a wrong checksum"):
        fetched(site, config, "FastSAM-s")
    assert not place(config).parent.exists()


def test_a_length_that_was_not_stated_is_refused_before_it_comes(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint()).content = b"<html>please log in</html>"
    with pytest.raises(FastSnowError, match=r"offers 26 bytes, expected the published \d+"):
        fetched(site, config, "FastSAM-s")
    assert not part(config).exists()


def test_without_a_digest_the_download_is_not_called_verified(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint())
    site.files[DESCRIPTION] = File(status=403)  # the answer to too many requests
    with pytest.warns(FastSnowWarning, match=r"answered 403: checksum unknown, the download is not verified"):
        (result,) = fetched(site, config, "FastSAM-s")
    assert not result.files["FastSAM-s.pt"].verified
    weights.check(place(config))


def test_a_page_in_the_weights_place_is_seen_even_without_a_digest(site: Site, config: Config):
    site.publish_release(*RELEASE, b"<html>please log in</html>")
    site.files[DESCRIPTION] = File(status=429)
    with (
        pytest.warns(FastSnowWarning),
        pytest.raises(FastSnowError, match=r"the download is truncated or not a torch checkpoint; it was deleted"),
    ):
        fetched(site, config, "FastSAM-s")
    assert not place(config).parent.exists()


def test_own_weights_are_never_overwritten_unasked(site: Site, config: Config):
    published, own = checkpoint(), checkpoint(seed=1)
    site.publish_release(*RELEASE, published)
    place(config).parent.mkdir()
    place(config).write_bytes(own)
    with pytest.raises(OutputError, match=r"checksum differs from the published one .*--force"):
        fetched(site, config, "FastSAM-s")
    assert place(config).read_bytes() == own
    fetched(site, config, "FastSAM-s", force=True)
    assert place(config).read_bytes() == published


def test_weights_brought_by_hand_are_checked_and_recorded(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content)
    place(config).parent.mkdir()
    place(config).write_bytes(content)
    (result,) = fetched(site, config, "FastSAM-s")
    assert result.files["FastSAM-s.pt"].verified
    assert result.downloaded == ()
    assert RELEASE_PATH not in site.downloads()
    assert "FastSAM-s.pt" in weights.read(place(config).parent)


def test_damaged_weights_are_replaced(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content)
    place(config).parent.mkdir()
    place(config).write_bytes(content[:1000])
    assert fetched(site, config, "FastSAM-s")[0].downloaded
    assert place(config).read_bytes() == content


def test_a_file_that_is_not_in_the_release(site: Site, config: Config):
    site.files[DESCRIPTION] = File(json.dumps({"assets": [{"name": "other.pt"}]}).encode())
    with pytest.raises(FastSnowError, match=r"releases/tag/.*: has no FastSAM-s.pt"):
        fetched(site, config, "FastSAM-s")


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, r"not found \(404\)"), (500, "the server answered 500: run the same command again later")],
)
def test_a_server_that_fails(site: Site, config: Config, status: int, message: str):
    site.publish_release(*RELEASE, checkpoint(), status=status)
    with pytest.raises(FastSnowError, match=message):
        fetched(site, config, "FastSAM-s")


def test_an_answer_that_is_no_release(site: Site, config: Config):
    site.files[DESCRIPTION] = File(b"<html>")
    with pytest.raises(FastSnowError, match="not answered with a GitHub release: check proxy and firewall"):
        fetched(site, config, "FastSAM-s")


def test_without_a_connection_one_line_says_so(config: Config, site: Site):
    closed = "http://127.0.0.1:9"  # the discard service, which nobody runs
    with pytest.raises(FastSnowError, match=r"127\.0\.0\.1: cannot be reached \(.*check the connection") as caught:
        fetch_weights(["FastSAM-s"], config, endpoints=Endpoints(github=closed, github_api=closed))
    assert "\n" not in str(caught.value)


def test_what_cannot_fit_is_refused_before_it_comes(site: Site, config: Config):
    content = checkpoint()
    site.publish_release(*RELEASE, content, claimed=10**18)
    site.files[DESCRIPTION] = File(json.dumps({"assets": [{"name": "FastSAM-s.pt"}]}).encode())
    with pytest.raises(OutputError, match=r"needs 1000000000000 MB, but \d+ MB are free"):
        fetched(site, config, "FastSAM-s")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fills_up_on_the_way(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint())
    part(config).parent.mkdir()
    part(config).symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"No space left on device\): make room, then run the same command") as caught:
        fetched(site, config, "FastSAM-s")
    assert caught.value.exit_code == 2
    assert not place(config).exists()


@pytest.mark.parametrize("name", ["FastSAM-s", "da3-small", "sam3"])
def test_a_failed_fetch_leaves_no_folder(site: Site, config: Config, tmp_path: Path, name: str):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FastSnowError):
        fetched(site, config, name)  # of which the server has nothing
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_fetch_keeps_folders_that_were_there(site: Site, config: Config):
    place(config).parent.mkdir()
    with pytest.raises(FastSnowError):
        fetched(site, config, "FastSAM-s")
    assert place(config).parent.is_dir()


def test_a_folder_that_cannot_be_made(site: Site, config: Config):
    place(config).parent.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        fetched(site, config, "FastSAM-s")


def test_a_name_that_is_not_known(config: Config):
    with pytest.raises(ConfigError, match="did you mean FastSAM-"):
        fetch_weights(["FastSAM"], config)


# ------------------------------------------------------------------------------------------------ Hugging Face


def publish_da3(site: Site, **how: object) -> File:
    site.publish_small(SMALL, "config.json", CONFIG_JSON)
    return site.publish_large(SMALL, "model.safetensors", safetensors(), **how)


def test_a_repository_is_downloaded_at_one_commit(site: Site, config: Config):
    publish_da3(site)
    (result,) = fetched(site, config, "da3-small")
    folder = Path(config.da3.model_path)
    assert (folder / "config.json").read_bytes() == CONFIG_JSON
    assert (folder / "model.safetensors").read_bytes() == safetensors()
    assert result.downloaded == ("config.json", "model.safetensors")
    assert all(each.verified for each in result.files.values())
    assert {each.revision for each in weights.read(folder).values()} == {COMMIT}
    assert weights.locate(config, "da3").complete
    heads = [each.path for each in site.asked if each.method == "HEAD"]
    assert heads == [f"/{SMALL}/resolve/main/config.json", f"/{SMALL}/resolve/{COMMIT}/model.safetensors"]


def test_the_token_goes_to_the_hub_and_nowhere_else(site: Site, config: Config):
    publish_da3(site)
    fetched(site, config, "da3-small")
    tokens = {each.path: each.headers.get("Authorization") for each in site.asked if each.method == "GET"}
    assert tokens == {
        f"/{SMALL}/resolve/{COMMIT}/config.json": "Bearer hf_secret",
        f"/{SMALL}/resolve/{COMMIT}/model.safetensors": "Bearer hf_secret",
        "/delivery/model.safetensors": None,
    }


def test_the_token_is_never_shown(site: Site, config: Config, capfd: pytest.CaptureFixture[str]):
    publish_da3(site, cuts=[40_000] + [0] * 20)
    with pytest.raises(FastSnowError, match="connection lost") as caught:
        fetched(site, config, "da3-small")
    shown = capfd.readouterr()
    assert "hf_secret" not in "".join(traceback.format_exception(caught.value)) + shown.out + shown.err
    source = Published(url="", revision="", size=None, digest=None, headers={"Authorization": "Bearer hf_secret"})
    assert "hf_secret" not in repr(source)


def test_a_cut_from_the_delivery_network_is_resumed_through_the_redirect(site: Site, config: Config):
    publish_da3(site, cuts=[40_000])
    assert fetched(site, config, "da3-small")[0].files["model.safetensors"].verified
    assert site.downloads()[-1] == "/delivery/model.safetensors bytes=40000-"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_content_that_is_not_what_the_hub_states(site: Site, config: Config, name: str):
    publish_da3(site)
    if name == "config.json":
        site.files[f"/{SMALL}/resolve/{COMMIT}/{name}"].content = CONFIG_JSON.replace(b"small", b"large")
    else:
        site.files[f"/delivery/{name}"].content = safetensors(seed=1)
    with pytest.raises(FastSnowError, match="the download has a wrong checksum"):
        fetched(site, config, "da3-small")
    assert not (Path(config.da3.model_path) / name).exists()


@pytest.mark.parametrize(("status", "code"), [(401, "GatedRepo"), (403, "GatedRepo"), (401, ""), (403, "")])
def test_gated_weights_say_how_access_is_got(site: Site, config: Config, status: int, code: str):
    refusal = File(status=status, headers={"X-Error-Code": code} if code else {})
    site.files[f"/{SAM3}/resolve/main/sam3.pt"] = refusal
    with pytest.raises(UserError) as caught:
        fetched(site, config, "sam3")
    assert str(caught.value) == (
        "sam3: gated, its owner must grant you access: accept the SAM License at https://huggingface.co/facebook/sam3,"
        " run hf auth login, then fast-snow fetch-models sam3 again"
    )
    assert caught.value.exit_code == 2


def test_access_that_is_refused_only_to_the_content(site: Site, config: Config):
    site.publish_large(SAM3, "sam3.pt", checkpoint(), status=403)
    with pytest.raises(UserError, match="its owner must grant you access"):
        fetched(site, config, "sam3")


def test_open_weights_behind_a_token_that_expired(site: Site, config: Config):
    site.files[f"/{SMALL}/resolve/main/config.json"] = File(status=401)
    with pytest.raises(UserError, match="a stored token may have expired"):
        fetched(site, config, "da3-small")


def test_all_that_a_configuration_names_and_the_gated_ones_last(site: Site, config: Config):
    site.publish_release(*RELEASE, checkpoint())
    publish_da3(site)
    site.files[f"/{SAM3}/resolve/main/sam3.pt"] = File(status=401)
    with pytest.raises(UserError, match=r"^sam3: gated, its owner must grant"):
        fetched(site, config)
    site.publish_large(SAM3, "sam3.pt", checkpoint())
    results = fetched(site, config)
    assert [(each.weights.name, each.downloaded) for each in results] == [
        ("FastSAM-s", ()),
        ("da3-small", ()),
        ("sam3", ("sam3.pt",)),
    ]
    assert all(each.complete for each in weights.find(config) if each.model in ("fastsam", "da3", "sam3"))


def test_the_other_format_of_sam3_lands_in_the_same_folder(site: Site, config: Config):
    site.publish_small(SAM3, "config.json", b"{}")
    site.publish_large(SAM3, "model.safetensors", safetensors())
    site.publish_large(SAM3, "sam3.pt", checkpoint())
    fetched(site, config, "sam3-hf", "sam3")
    folder = Path(config.sam3.model_path)
    assert set(weights.read(folder)) == {"config.json", "model.safetensors", "sam3.pt"}
    chosen = Config(sam3=config.sam3, engines=EnginesConfig(tracker="sam3-hf"))
    assert weights.locate(chosen, "sam3-hf").complete


def test_sam_3_1_lands_in_the_same_folder_and_is_fetched_for_its_tracker(site: Site, config: Config):
    site.publish_large("facebook/sam3.1", "sam3.1_multiplex.pt", checkpoint())
    fetched(site, config, "sam3.1")
    chosen = Config(sam3=config.sam3, engines=EnginesConfig(tracker="sam3.1"))
    assert weights.locate(chosen, "sam3.1").complete
    assert weights.wanted(chosen)[-1].name == "sam3.1"
    assert not weights.locate(config, "sam3").complete


def test_a_file_that_the_repository_does_not_hold(site: Site, config: Config):
    site.files[f"/{SMALL}/resolve/main/config.json"] = File(status=404, headers={"X-Error-Code": "EntryNotFound"})
    with pytest.raises(FastSnowError, match=r"DA3-SMALL/resolve/main/config.json: not found \(404\)"):
        fetched(site, config, "da3-small")


def test_a_server_that_is_no_hub(site: Site, config: Config):
    site.files[f"/{SMALL}/resolve/main/config.json"] = File(b"<html>")
    with pytest.raises(FastSnowError, match="not answered by a Hugging Face hub"):
        fetched(site, config, "da3-small")


def test_without_the_package_of_the_hub_one_line_says_so(site: Site, config: Config, monkeypatch: pytest.MonkeyPatch):
    for each in [name for name in sys.modules if name.startswith("fast_snow.fetching.")]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'needs the package huggingface_hub .*uv pip install -e "\.\[models\]"'):
        fetched(site, config, "da3-small")
    assert not Path(config.da3.model_path).exists()


def test_a_hub_that_is_out_of_reach_or_forbidden(site: Site, config: Config, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(FastSnowError, match=r"127\.0\.0\.1: cannot be reached"):
        fetch_weights(["da3-small"], config, endpoints=Endpoints(hugging_face="http://127.0.0.1:9"))
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        fetched(site, config, "da3-small")
