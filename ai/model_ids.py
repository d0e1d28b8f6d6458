"""Names of the models, derived from the settings. The CLIP name is stored with each vector."""

from pathlib import Path

from django.conf import settings

from ai.fingerprint import fingerprint
from ai.presets import NAME_BY_FINGERPRINT, PRESETS, Preset, preset_by_name

LOCAL_DIR_SCHEME = "local-dir:"  # open_clip's scheme for a directory
HUB_SCHEME = "hf-hub:"  # open_clip's scheme for a repository of the model hub


def resolve(model: str, pretrained: str) -> tuple[str, str]:
    """Return open_clip's model and weights; `model` may be the key of a preset."""
    if preset := PRESETS.get(model):
        return preset.model, preset.pretrained
    return model, pretrained


def configured_clip() -> tuple[str, str]:
    """Return the CLIP model and weights of the settings, which new installations start with."""
    return resolve(settings.AI_CLIP_MODEL, settings.AI_CLIP_PRETRAINED)


def local_directory(model: str) -> Path | None:
    """Return the directory that a model setting names, or None if it names a model of a hub.

    Relative paths start at the project's root, regardless of the working directory.
    """
    path = settings.BASE_DIR / Path(model.removeprefix(LOCAL_DIR_SCHEME)).expanduser()
    is_path = model.startswith((LOCAL_DIR_SCHEME, "/", ".", "~")) or model.count("/") > 1
    return path.resolve() if is_path or path.is_dir() else None


def clip_name(model: str | None = None, pretrained: str | None = None) -> str:
    """Return the vector space's name: "ViT-B-32-quickgelu/openai" or "local-dir/clip@6fdbd5f8".

    The name of a directory has a fingerprint of its weights, if there are any, so that two models
    never share a name. It is stored and shown, so it is never an absolute path. Arguments default
    to the settings.
    """
    model, pretrained = resolve(
        settings.AI_CLIP_MODEL if model is None else model,
        settings.AI_CLIP_PRETRAINED if pretrained is None else pretrained,
    )
    if directory := local_directory(model):
        digest = fingerprint(directory)
        name = f"local-dir/{directory.name}@{digest}".removesuffix("@")
        return NAME_BY_FINGERPRINT.get(digest, name)
    if is_repository(model):
        return model.removeprefix(HUB_SCHEME)
    return f"{model}/{pretrained}"


def blip_name(model: str | None = None) -> str:
    """Return the captioning model's name, like "Salesforce/blip-image-captioning-base"."""
    model = settings.AI_BLIP_MODEL if model is None else model
    directory = local_directory(model)
    return f"local-dir/{directory.name}" if directory else model


def is_repository(model: str) -> bool:
    """Return True for a hub's "owner/name", False for an open_clip architecture or directory."""
    return "/" in model and not model.startswith(LOCAL_DIR_SCHEME)


def has_weights(model: str) -> bool:
    """Return False only for a directory without weights."""
    directory = local_directory(model)
    return directory is None or bool(fingerprint(directory))


def preset_for(model: str, pretrained: str) -> Preset:
    """Return the preset that these settings name, or one without a key.

    A preset's own directory maps to that preset even if other weights lie there now.
    """
    model, pretrained = resolve(model, pretrained)
    directory = local_directory(model)
    for preset in PRESETS.values():
        if directory and preset.fingerprint and directory == local_directory(preset.model):
            return preset
    return preset_by_name(clip_name(model, pretrained))
