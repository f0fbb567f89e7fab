"""What a named token must be allowed for each request of the API."""

import re
from collections.abc import Set as AbstractSet

# Method and path, and the scopes of which the token needs all of one alternative; the first line that fits. What no
# line fits wants `admin`, so that a new route is closed until somebody has thought of it.
_ANY = ((),)
_RUN, _READ, _EDIT, _ADMIN = (("run",),), (("read",),), (("edit",),), (("admin",),)
_RULES = tuple(
    (methods, re.compile(paths), wanted)
    for methods, paths, wanted in (
        ({"GET", "HEAD"}, r"/api/(?:openapi\.json|docs(?:/.*)?|services(?:/.*)?)", _ANY),
        ({"POST"}, r"/api/flows/.+/runs", _RUN),
        ({"GET", "HEAD"}, r"/api/runs/.+", (*_RUN, *_READ)),
        ({"POST"}, r"/api/deliveries/(?:.+/)?(?:retry|cancel)", _RUN),
        # A test sends whatever document is in the request.
        ({"POST"}, r"/api/preview/test", (("edit", "run"),)),
        ({"POST"}, r"/api/preview(?:/(?:plan|inbox|server))?", _EDIT),
        ({"POST", "PUT", "DELETE"}, r"/api/(?:flows|layouts)(?:/.*)?", _EDIT),
        ({"DELETE"}, r"/api/inbox", _EDIT),
        (
            {"GET", "HEAD"},
            r"/api/(?:flows|layouts|preview|runs|deliveries|connections|apps|webhooks|inbox)(?:/.*)?|/metrics",
            _READ,
        ),
    )
)


def missing_scope(scopes: AbstractSet[str], method: str, path: str) -> str:
    """Give the scope that a token with `scopes` lacks for a request; "" where it lacks none."""
    if "admin" in scopes:
        return ""
    lacking = [next((scope for scope in one if scope not in scopes), "") for one in wanted_scopes(method, path)]
    return "" if "" in lacking else lacking[0]


def wanted_scopes(method: str, path: str) -> tuple[tuple[str, ...], ...]:
    """Give the alternatives of scopes for a request, or for requests to a path with names in braces."""
    return next((wanted for methods, paths, wanted in _RULES if method in methods and paths.fullmatch(path)), _ADMIN)
