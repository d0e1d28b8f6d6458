"""The location of weights: a local directory, or the hub's cache, filled on demand.

The cache is searched first, so that a worker with cached weights starts without a network. Files
are fetched with `snapshot_download`, because `hf_hub_download` repeats a failed request for 23 s.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from ai.errors import ModelUnavailable
from ai.fingerprint import SMALL_FILES, WEIGHTS
from ai.model_ids import HUB_SCHEME, local_directory

NETWORK_TIMEOUT = 5.0  # seconds until the hub's first response


def unavailable_error(model: str, sought: str, reason: object) -> ModelUnavailable:
    """Return the error for any reason why weights are missing, with advice for the operator."""
    return ModelUnavailable(
        f"{model}: {sought} could not be loaded ({_first_line(reason)}). Fetch it with "
        "`manage.py warm_models`, or set HF_HOME to a cache that has it, or point "
        "SMIMSO_CLIP_MODEL (local-dir:/path) or SMIMSO_BLIP_MODEL (/path) to a directory."
    )


def find_model_directory(model: str, setting: str, weights: Sequence[str] = WEIGHTS) -> Path:
    """Return the directory that a setting names, or that in the hub's cache, filled if needed.

    weights: file names, one of which has to exist. Raises ModelUnavailable.
    """
    directory = local_directory(setting)
    if directory is None:
        return _find_hub_directory(model, setting.removeprefix(HUB_SCHEME), weights)
    if not directory.is_dir():
        raise unavailable_error(model, str(directory), "there is no such directory")
    return directory


def find_hub_file(model: str, repository: str, names: Sequence[str]) -> Path:
    """Return the first of the files `names` that `repository` has, from the cache or fetched.

    Raises ModelUnavailable if there is none.
    """
    if cached := _find_cached(repository, names):
        return cached
    for name in names:
        path = _fetch(model, repository, [name]) / name
        if path.exists():
            return path
    raise unavailable_error(
        model, f"{repository} ({' or '.join(names)})", "the repository has none"
    )


def _find_hub_directory(model: str, repository: str, weights: Sequence[str]) -> Path:
    if not _find_cached(repository, weights):
        _fetch(model, repository, SMALL_FILES)  # first: if there are weights, all else is there
    return find_hub_file(model, repository, weights).parent


def _find_cached(repository: str, names: Sequence[str]) -> Path | None:
    with suppress(HFValidationError):  # an impossible name, reported by _fetch
        for name in names:
            path = try_to_load_from_cache(repository, name)
            if isinstance(path, str):
                return Path(path)
    return None


def _fetch(model: str, repository: str, patterns: list[str]) -> Path:
    try:
        return Path(
            snapshot_download(repository, allow_patterns=patterns, etag_timeout=NETWORK_TIMEOUT)
        )
    except (OSError, HFValidationError) as error:  # the hub's other errors are OSErrors
        raise unavailable_error(model, f"{repository} ({', '.join(patterns)})", error) from error


def _first_line(reason: object) -> str:
    return next(iter(str(reason).strip().splitlines()), repr(reason))[:300]
