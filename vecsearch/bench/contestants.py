"""What takes part in a comparison and has to be run: systems of ours, and peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vecsearch.bench.peers import load_peer, peer_digest
from vecsearch.bench.results import SystemEntry
from vecsearch.bench.system import System, digest_of
from vecsearch.bench.systems import FUSED, parse_system
from vecsearch.errors import UsageError


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system of ours, or the file of a peer; exactly one of them.

    name: as it was typed; the key in results.
    label: short, for tables and file names.
    about: what it does, in a line.
    digest: of all that its rankings depend on, but for the corpus and `software_digest`.
    index_digest: the same of its index; two systems that have one alike share it.
    same_as: the system of ours whose answers a peer must give, or None.
    """

    name: str
    label: str
    about: str
    digest: str
    index_digest: str
    system: System | None = None
    peer: Path | None = None
    same_as: str | None = None

    def entry(self) -> SystemEntry:
        """Return what results say of it."""
        definition: dict[str, object] = {"file": str(self.peer), "sha256": self.digest}
        if self.system is not None:
            definition = self.system.definition()
        return {
            "label": self.label,
            "about": self.about,
            "kind": "peer" if self.system is None else "system",
            "definition": definition,
            "digest": self.digest,
        }


def contestants(systems: Sequence[str] | Mapping[str, System]) -> dict[str, Contestant]:
    """Find systems by the names that `parse_system` knows, and peers by their .py files.

    Or name systems that are values already. Raise as `parse_system` and `load_peer` do, and
    UsageError for a name that comes twice.
    """
    found: dict[str, Contestant] = {}
    labels: set[str] = set()
    for name in systems:
        if name in found:
            raise UsageError(f"The system {name!r} is named twice.")
        label = unique_label(label_of(name), labels)
        given = systems[name] if isinstance(systems, Mapping) else None
        if given is None and Path(name).suffix == ".py":
            found[name] = _peer(name, label)
        else:
            system = given or parse_system(name)
            found[name] = Contestant(
                name, label, system.about, system.digest, system.index_digest, system=system
            )
    return found


def _peer(name: str, label: str) -> Contestant:
    path = Path(name)
    engine = load_peer(path)
    digest = digest_of([peer_digest(path), engine.about])
    return Contestant(name, label, engine.about, digest, digest, peer=path, same_as=engine.same_as)


def label_of(name: str) -> str:
    """Shorten a name for tables and files: of a path the file's name without its suffix."""
    if name.startswith(FUSED):
        return FUSED + label_of(name.removeprefix(FUSED))
    path = Path(name)
    if path.suffix in (".toml", ".py"):
        return path.stem
    return path.name if path.is_dir() else name.replace("/", "--")


def unique_label(label: str, taken: set[str]) -> str:
    """Number a label that is taken already, and take it."""
    label = label.replace("/", "-") or "system"
    number, candidate = 1, label
    while candidate in taken:
        number += 1
        candidate = f"{label}-{number}"
    taken.add(candidate)
    return candidate
