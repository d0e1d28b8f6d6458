"""What the models are called. The CLIP name is stored beside every vector."""

from pathlib import Path

from django.conf import settings

from ai.fingerprint import fingerprint
from ai.presets import NAME_BY_FINGERPRINT, PRESETS, Preset, preset_by_name

LOCAL_DIR_SCHEME = "local-dir:"  # open_clip's schema for a directory
HUB_SCHEME = "hf-hub:"  # open_clip's schema for a repository of the model hub


def resolve(model: str, pretrained: str) -> tuple[str, str]:
    """Model and weights as open_clip takes them; `model` may be the key of a preset."""
    if preset := PRESETS.get(model):
        return preset.model, preset.pretrained
    return model, pretrained


def configured_clip() -> tuple[str, str]:
    """CLIP model and weights of the settings, which a new installation begins with."""
    return resolve(settings.AI_CLIP_MODEL, settings.AI_CLIP_PRETRAINED)


def local_directory(model: str) -> Path | None:
    """The directory that a model setting names, or None when it names a model of a hub.

    Relative directories start at the project's root, wherever the process was started.
    """
    path = settings.BASE_DIR / Path(model.removeprefix(LOCAL_DIR_SCHEME)).expanduser()
    is_path = model.startswith((LOCAL_DIR_SCHEME, "/", ".", "~")) or model.count("/") > 1
    return path.resolve() if is_path or path.is_dir() else None


def clip_name(model: str | None = None, pretrained: str | None = None) -> str:
    """The vector space's identifier, like "ViT-B-32-quickgelu/openai" or "local-dir/clip@6fdbd5f8".

    A directory's says what lies there, or nothing of it while there are no weights: two models
    never have one name. Arguments default to the settings. Never an absolute path: it is stored
    and shown.
    """
    model, pretrained = resolve(
        settings.AI_CLIP_MODEL if model is None else model,
        settings.AI_CLIP_PRETRAINED if pretrained is None else pretrained,
    )
    if directory := local_directory(model):
        mark = fingerprint(directory)
        name = f"local-dir/{directory.name}@{mark}".removesuffix("@")
        return NAME_BY_FINGERPRINT.get(mark, name)
    if is_repository(model):
        return model.removeprefix(HUB_SCHEME)
    return f"{model}/{pretrained}"


def blip_name(model: str | None = None) -> str:
    """The captioning model's identifier, like "Salesforce/blip-image-captioning-base"."""
    model = settings.AI_BLIP_MODEL if model is None else model
    directory = local_directory(model)
    return f"local-dir/{directory.name}" if directory else model


def is_repository(model: str) -> bool:
    """Whether a CLIP setting is a hub's "owner/name" instead of an open_clip architecture."""
    return "/" in model and not model.startswith(LOCAL_DIR_SCHEME)


def has_weights(model: str) -> bool:
    """False only for a directory in which there are none."""
    directory = local_directory(model)
    return directory is None or bool(fingerprint(directory))


def preset_for(model: str, pretrained: str) -> Preset:
    """The preset that these settings name; one without a key where they name none.

    A preset's own directory is held to it, whatever lies there now.
    """
    model, pretrained = resolve(model, pretrained)
    directory = local_directory(model)
    for preset in PRESETS.values():
        if directory and preset.fingerprint and directory == local_directory(preset.model):
            return preset
    return preset_by_name(clip_name(model, pretrained))
