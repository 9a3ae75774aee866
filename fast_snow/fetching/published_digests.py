"""What the sources publish of a file: its address, size, digest and revision."""

import hashlib
import re
import warnings
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import get_hf_file_metadata, get_session, get_token, hf_hub_url

from fast_snow import untrusted_json
from fast_snow.addresses import keeps_secrets
from fast_snow.errors import FastSnowError, FastSnowWarning, InputError
from fast_snow.fetching import Endpoints
from fast_snow.fetching.download import explained, refused
from fast_snow.limits import REPLY
from fast_snow.weights import GitHubRelease, HuggingFace, Weights

_TIMEOUT_S = 30.0
_SHA256_DIGITS = 64
_RATE_LIMITED = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a source publishes of a file; the size in bytes and the digest may be unknown.

    The digest is a SHA-256, or the Git blob hash that the hub has of small files. Headers hold the token: they are sent
    to this host alone.
    """

    url: str
    revision: str
    size: int | None
    digest: str | None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def published(weights: Weights, name: str, endpoints: Endpoints, commits: MutableMapping[str, str]) -> Published:
    """Ask the source of some weights about one of their files.

    `commits` has the one at which each repository was first seen, so that all files belong together; it is added to.

    Raises:
        UserError: access must be granted first.
        FastSnowError: the source cannot be reached or has no such file.
    """
    if isinstance(weights.source, HuggingFace):
        return _hugging_face(weights, weights.source, name, endpoints.hugging_face, commits)
    asset = _release_asset(weights, weights.source, name, endpoints)
    size = asset.get("size")
    return Published(
        url=f"{endpoints.github}/{weights.source.repository}/releases/download/{weights.source.tag}/{quote(name)}",
        revision=weights.source.tag,
        size=size if isinstance(size, int) else None,
        digest=_digest(asset.get("digest")),
    )


def matches(digest: str, path: Path, sha256: str) -> bool:
    """Return whether a file has a published digest, given its SHA-256."""
    if len(digest) == _SHA256_DIGITS:
        return digest == sha256
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == digest


def _digest(text: object) -> str | None:
    digits = str(text).lower().removeprefix("sha256:")
    return digits if re.fullmatch("[0-9a-f]{64}|[0-9a-f]{40}", digits) else None


def _hugging_face(
    weights: Weights, source: HuggingFace, name: str, endpoint: str | None, commits: MutableMapping[str, str]
) -> Published:
    url = hf_hub_url(source.repository, name, revision=commits.get(source.repository, "main"), endpoint=endpoint)
    token = get_token() if keeps_secrets(url) else None
    with explained(weights, url):
        found = get_hf_file_metadata(url, token=token or False, timeout=_TIMEOUT_S, endpoint=endpoint)
    if found.commit_hash is None:
        raise FastSnowError(f"{url}: not answered by a Hugging Face hub: check HF_ENDPOINT, proxy and firewall")
    commits[source.repository] = found.commit_hash
    return Published(
        url=hf_hub_url(source.repository, name, revision=found.commit_hash, endpoint=endpoint),
        revision=found.commit_hash,
        size=found.size,
        digest=_digest(found.etag),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def _release_asset(weights: Weights, source: GitHubRelease, name: str, endpoints: Endpoints) -> Mapping[str, Any]:
    """Return what GitHub's description of a release says of a file; nothing where the rate limit is exceeded."""
    url = f"{endpoints.github_api}/repos/{source.repository}/releases/tags/{source.tag}"
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "fast-snow"}
    with explained(weights, url), get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as answer:
        if answer.status_code in _RATE_LIMITED:
            unverified = f"{name}: {url} answered {answer.status_code}: checksum unknown, the download is not verified"
            warnings.warn(unverified, FastSnowWarning, stacklevel=2)
            return {}
        if not answer.is_success:
            raise refused(weights, url, answer.status_code)
        description = next(answer.iter_bytes(REPLY.largest), b"")
    try:
        release: Any = untrusted_json.loads(description.decode())
        assets = {each["name"]: each for each in release["assets"]}
    except (InputError, ValueError, LookupError, TypeError) as error:
        raise FastSnowError(f"{url}: not answered with a GitHub release: check proxy and firewall") from error
    if name not in assets:
        raise FastSnowError(f"{source.page}: has no {name}: check whether it was renamed")
    return assets[name]
