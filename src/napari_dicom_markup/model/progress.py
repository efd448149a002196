"""Progress of a long verb, and the handle that every verb returns."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a long verb: ``done`` of ``total`` (0 when unknown), and what is being done."""

    done: int
    total: int
    what: str


class Steps(Generic[T]):
    """A running verb: iterate it for progress, or ask for its ``result``.

    Closing it (or leaving it as a context manager) cancels the verb, which then removes
    whatever it had begun to write.

    Examples
    --------
    >>> def count():
    ...     yield Step(1, 2, "counting")
    ...     return 42
    >>> Steps(count()).result()
    42
    """

    def __init__(self, generator: Generator[Step, None, T]) -> None:
        self._value: list[T] = []
        self._generator = self._keep(generator)

    def _keep(self, generator: Generator[Step, None, T]) -> Generator[Step, None, T]:
        value = yield from generator
        self._value.append(value)
        return value

    def __iter__(self) -> Generator[Step, None, T]:
        """Return the generator of steps; ``yield from`` gives the result."""
        return self._generator

    def result(self) -> T:
        """Run to the end and return the verb's result, as often as it is asked for.

        Raises
        ------
        RuntimeError
            The verb was cancelled, or has failed before.
        """
        for _ in self._generator:
            pass
        if not self._value:
            message = "the verb was cancelled, or has failed before: it has no result"
            raise RuntimeError(message)
        return self._value[0]

    def close(self) -> None:
        """Cancel: nothing half-written stays."""
        self._generator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
