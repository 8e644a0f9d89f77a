"""Text retrieval from bag-of-words to neural embeddings, behind one search interface."""

TYPE_CHECKING = False  # type checkers take the name for true; typing's own takes time to load

if TYPE_CHECKING:
    __version__: str
    from vecsearch.public import *  # noqa: F403 - all of it, and no more
    from vecsearch.public import __all__ as __all__
else:
    # Loaded when one is asked for: the command line wants to hear Ctrl-C before that.

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "__version__":
            return import_module("importlib.metadata").version("vecsearch")
        if name == "__all__" or not name.startswith("__"):
            public = import_module("vecsearch.public")
            for each in ("__all__", *public.__all__):
                globals()[each] = getattr(public, each)
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        # Rooms that were loaded are names here too; they are no part of what is public.
        special = (name for name in globals() if name.startswith("__"))
        return sorted({*__getattr__("__all__"), "__version__", *special})
