"""The Send SMTP Email node of a flow builder: compose, send, and tell the truth about it."""

TYPE_CHECKING = False  # as type checkers know it; `typing` itself would be most of the time that this import takes

if TYPE_CHECKING:
    from mailnode.public import *

    __version__: str
else:
    _modules: dict[str, str] = {}

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for: a program that sends one email needs no database."""
        if name == "__all__":
            value = sorted(_public())
        elif name == "__version__":
            from importlib.metadata import version

            value = version(__name__)
        elif name in _public():
            from importlib import import_module

            value = getattr(import_module(_public()[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_public(), "__all__", "__version__"})

    def _public() -> dict[str, str]:
        """Give the module of each public name, by what `mailnode.public` imports, without importing any of it."""
        if not _modules:
            from importlib.machinery import PathFinder
            from types import SimpleNamespace

            def note(module: str, _globals: object, _locals: object, names: tuple[str, ...], _level: int) -> object:
                _modules.update(dict.fromkeys(names, module))
                return SimpleNamespace(**dict.fromkeys(names))

            public = f"{__name__}.public"
            code = PathFinder.find_spec(public, __spec__.submodule_search_locations).loader.get_code(public)
            exec(code, {"__builtins__": {"__import__": note}})  # noqa: S102 -- it holds import statements and no more
        return _modules
