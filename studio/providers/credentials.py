"""What settings say of an account at a provider: its key and its address, looked at before anything is sent."""

from urllib.parse import urlsplit

from studio.providers.errors import ProviderNotConfiguredError


def checked_key(key: str, setting: str) -> str:
    """The key without what surrounds it; raises ProviderNotConfiguredError where no key looks like this."""
    found = key.strip()
    if not found.isascii() or any(sign.isspace() for sign in found):
        raise ProviderNotConfiguredError(
            "%(setting)s holds characters that no key has. Copy it again, without quotes and spaces.", setting=setting
        )
    return found


def checked_url(url: str, setting: str) -> str:
    """The address without a slash at its end; raises ProviderNotConfiguredError where it is none."""
    try:
        parts = urlsplit(url.strip())
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good:
        raise ProviderNotConfiguredError(
            "%(setting)s is no web address. It looks like https://host/v1, without a name or password in it.",
            setting=setting,
        )
    return url.strip().rstrip("/")
