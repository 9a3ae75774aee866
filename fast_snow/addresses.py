"""Which addresses a secret may be sent to."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Return whether an address is on this machine: `localhost`, 127.0.0.0/8 or ::1."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def keeps_secrets(address: str) -> bool:
    """Return whether nobody on the way can read what is sent: by https, or never leaving this machine."""
    return address.lower().startswith("https://") or is_loopback(address)
