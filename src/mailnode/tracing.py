"""Spans of OpenTelemetry (a run, a node, a delivery, an attempt) for a program that has set it up.

Nothing of it is imported here that the program has not imported before: libraries bring its API along, which takes long
to import. Where it is not installed, what would be traced stays the function that it was.
"""

import functools
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Attributes = Mapping[str, str | int | bool | None]

IS_INSTALLED = find_spec("opentelemetry") is not None
_API = "opentelemetry.trace"


def traced(
    name: str, begins: Callable[..., Attributes], ends: Callable[..., Attributes] = lambda *_: {}
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make a span of each call of a coroutine function.

    `begins` gives its attributes from the arguments, and `ends` from the first argument and what was returned; those
    that are None are left out. An attribute `error.type` marks the span as failed.
    """

    def decorate(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        if not IS_INSTALLED:
            return work

        async def run(tracer: Any, *arguments: P.args, **named: P.kwargs) -> T:
            from opentelemetry.trace import Status, StatusCode

            # No exception is recorded: its words may be a recipient's or a server's, and traces go elsewhere.
            silent = {"record_exception": False, "set_status_on_exception": False}
            with tracer.start_as_current_span(name, attributes=_given(begins(*arguments)), **silent) as span:
                try:
                    returned = await work(*arguments, **named)
                except BaseException as error:
                    span.set_attribute("error.type", type(error).__name__)
                    span.set_status(Status(StatusCode.ERROR))
                    raise
                attributes = _given(ends(arguments[0], returned))
                span.set_attributes(attributes)
                if "error.type" in attributes:
                    span.set_status(Status(StatusCode.ERROR))
                return returned

        @functools.wraps(work)
        def begin(*arguments: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
            tracer = _tracer() if _API in sys.modules else None
            return run(tracer, *arguments, **named) if tracer else work(*arguments, **named)

        return begin

    return decorate


def _tracer() -> Any:
    """Give what makes spans; None where nobody has said where they go."""
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

    provider = get_tracer_provider()
    return None if isinstance(provider, ProxyTracerProvider) else _tracer_of(provider)


@functools.lru_cache(maxsize=2)
def _tracer_of(provider: Any) -> Any:
    return provider.get_tracer("mailnode")


@contextmanager
def continued(headers: Mapping[str, str]) -> Iterator[None]:
    """Make spans children of that which `traceparent` in these header fields names, if it does."""
    if _API not in sys.modules or "traceparent" not in headers:
        yield
        return
    from opentelemetry.context import attach, detach
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    token = attach(TraceContextTextMapPropagator().extract(dict(headers)))
    try:
        yield
    finally:
        detach(token)


def _given(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
