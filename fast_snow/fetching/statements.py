"""What the sources state of a file before it is downloaded: its address, size, digest and revision."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from fast_snow import untrusted_json
from fast_snow.addresses import keeps_secrets
from fast_snow.errors import FastSnowError, FastSnowWarning, InputError, UserError
from fast_snow.fetching.download import TIMEOUT_S, Resource, unreachable
from fast_snow.limits import REPLY
from fast_snow.weights import GitHubRelease, HuggingFace, WeightFile, Weights

_LENGTHS = {64: "sha256", 40: "git-sha1"}
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_RATE_LIMITED = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the sources are reached; mirrors can stand in.

    Attributes:
        hugging_face: None takes that of huggingface_hub (`HF_ENDPOINT`).
        github: the files of releases.
        github_api: their descriptions.
    """

    hugging_face: str | None = None
    github: str = "https://github.com"
    github_api: str = "https://api.github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What the content of a file must hash to; the hub states Git's own hash for small files."""

    algorithm: Literal["sha256", "git-sha1"]
    hexadecimal: str

    def fits(self, path: Path, sha256: str) -> bool:
        """Tell whether a file has this digest, given its SHA-256."""
        if self.algorithm == "sha256":
            return sha256 == self.hexadecimal
        content = path.read_bytes()
        blob = b"blob %d\0" % len(content) + content
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == self.hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a source states of a file.

    Attributes:
        resource: what to download.
        digest: of its content; None where the source states none.
        revision: commit or release.
    """

    resource: Resource
    digest: Digest | None
    revision: str


@dataclass(slots=True)
class Revisions:
    """The commit that each repository was first seen at, so that all files of one fetch belong together."""

    commits: dict[str, str] = field(default_factory=dict)


def state(weights: Weights, file: WeightFile, endpoints: Endpoints, revisions: Revisions) -> Statement:
    """Ask the source of some weights about one of their files.

    Args:
        weights: what the file belongs to.
        file: one of its files.
        endpoints: where the sources are reached.
        revisions: pins repositories; added to.

    Returns:
        What the source states; a digest pinned in the catalogue goes before it.

    Raises:
        UserError: access must be granted first, or a package is missing.
        FastSnowError: the source cannot be reached or does not hold the file.
    """
    if isinstance(weights.source, HuggingFace):
        stated = _hugging_face(weights, weights.source, file, endpoints, revisions)
    else:
        stated = _github(weights.source, file, endpoints)
    if file.sha256 is None:
        return stated
    pinned = Digest(algorithm="sha256", hexadecimal=file.sha256)
    return Statement(resource=stated.resource, digest=pinned, revision=stated.revision)


def _digest(hexadecimal: str | None) -> Digest | None:
    digits = (hexadecimal or "").lower()
    algorithm = _LENGTHS.get(len(digits))
    if algorithm is None or not set(digits) <= set("0123456789abcdef"):
        return None
    return Digest(algorithm=algorithm, hexadecimal=digits)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ Hugging Face


def _hugging_face(
    weights: Weights, source: HuggingFace, file: WeightFile, endpoints: Endpoints, revisions: Revisions
) -> Statement:
    try:
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    except ImportError as error:
        raise UserError(
            f'{weights.name}: needs the package huggingface_hub ({error}): pip install "fast-snow[models]"'
        ) from error

    def address(revision: str) -> str:
        return hf_hub_url(source.repository, file.name, revision=revision, endpoint=endpoints.hugging_face)

    failures: tuple[type[Exception], ...] = (
        HfHubHTTPError.__bases__
    )  # of whichever HTTP client this version is built on
    url = address(revisions.commits.get(source.repository, source.revision))
    token = get_token() if keeps_secrets(url) else None
    try:
        stated = get_hf_file_metadata(url, token=token or False, timeout=TIMEOUT_S, endpoint=endpoints.hugging_face)
    except OfflineModeIsEnabled as error:
        raise UserError(f"{weights.name}: HF_HUB_OFFLINE is set, so nothing is downloaded: unset it") from error
    except failures as error:
        raise _refusal(weights, source, file, url, error) from error
    if stated.commit_hash is None:
        raise FastSnowError(f"{url}: does not answer as a Hugging Face hub does: check HF_ENDPOINT, proxy and firewall")
    revisions.commits[source.repository] = stated.commit_hash
    return Statement(
        resource=Resource(
            url=address(stated.commit_hash),
            size=stated.size,
            secret_headers={"Authorization": f"Bearer {token}"} if token else {},
        ),
        digest=_digest(stated.etag),
        revision=stated.commit_hash,
    )


def _refusal(weights: Weights, source: HuggingFace, file: WeightFile, url: str, error: BaseException) -> FastSnowError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _REFUSED:
        return refused(weights)
    if status == HTTPStatus.NOT_FOUND:
        return FastSnowError(f"{source.page}: holds no {file.name} at revision {source.revision}; is it renamed?")
    if status is not None:
        return FastSnowError(f"{url}: the server answered {status}: try the same command again later")
    return unreachable(url, error)


def refused(weights: Weights) -> UserError:
    """Say how access to weights is got."""
    page = weights.source.page
    if weights.gated:
        return UserError(
            f"{weights.name}: its owner must grant you access: accept the {weights.licence} at {page}, run hf auth"
            f" login, then fast-snow fetch-models {weights.name} again"
        )
    return UserError(
        f"{weights.name}: {page} refuses access: a stored token may have expired: run hf auth login (or logout),"
        f" then fast-snow fetch-models {weights.name} again"
    )


# ------------------------------------------------------------------------------------------------ GitHub


def _github(source: GitHubRelease, file: WeightFile, endpoints: Endpoints) -> Statement:
    asset = _asset(source, file, endpoints)
    size, digest = asset.get("size"), asset.get("digest")
    name = quote(file.name)
    return Statement(
        resource=Resource(
            url=f"{endpoints.github}/{source.repository}/releases/download/{source.tag}/{name}",
            size=size if isinstance(size, int) else None,
        ),
        digest=_digest(digest.removeprefix("sha256:")) if isinstance(digest, str) else None,
        revision=source.tag,
    )


def _asset(source: GitHubRelease, file: WeightFile, endpoints: Endpoints) -> Mapping[str, Any]:
    """Return what the release says of a file; nothing where it may not be asked now."""
    url = f"{endpoints.github_api}/repos/{source.repository}/releases/tags/{source.tag}"
    request = Request(url, headers={"Accept": "application/vnd.github+json", "User-Agent": "fast-snow"})
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            release: Any = untrusted_json.loads(answer.read(REPLY.largest).decode())
        assets = {each["name"]: each for each in release["assets"]}
    except HTTPError as error:
        error.close()
        if error.code not in _RATE_LIMITED:
            raise FastSnowError(f"{url}: the server answered {error.code}: try again later") from error
        warnings.warn(
            f"{file.name}: {url} answered {error.code}, so its digest is not known and the download not verified",
            FastSnowWarning,
            stacklevel=2,
        )
        return {}
    except OSError as error:
        raise unreachable(url, error) from error
    except (HTTPException, InputError, ValueError, LookupError, TypeError) as error:
        raise FastSnowError(f"{url}: did not answer with a release: check proxy and firewall") from error
    if file.name not in assets:
        raise FastSnowError(f"{source.page}: holds no {file.name}; is it renamed?")
    return assets[file.name]
