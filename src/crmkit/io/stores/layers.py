"""Memory with nested units of work: what is set in one is a layer above what was kept, until it is kept or dropped."""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import RLock, local
from typing import Any

from crmkit.io.stores.turns import FairLock

Layer = defaultdict[Hashable, dict[Any, Any]]
"""What a unit of work has set: for each space its keys and their values, None for one that is gone."""


class Memory:
    """Spaces of keys and values that are not None.

    One thread at a time has a unit of work, in turn; all others read what was kept, and never half of a unit of work.

    >>> memory = Memory()
    >>> with memory.unit(mark="anna"):
    ...     memory.set("colours", "sky", "blue")
    >>> memory.get("colours", "sky"), memory.get("colours", "sea")
    ('blue', None)
    """

    def __init__(self) -> None:
        """Make an empty memory."""
        self._kept: Layer = defaultdict(dict)
        self._turn = FairLock()
        self.steady = RLock()  # who holds it sees nothing kept meanwhile
        self._thread = local()

    @contextmanager
    def unit(self, mark: Any = None) -> Iterator[None]:
        """Make what is set inside one unit of work, also known by a mark; an error that leaves it undoes all of it."""
        layers = self._layers()
        if layers:
            with self._layer(layers):
                yield
        else:
            with self._turn, self._layer(layers):
                self._thread.mark = mark
                yield

    @contextmanager
    def _layer(self, layers: list[Layer]) -> Iterator[None]:
        layers.append(defaultdict(dict))
        try:
            yield
        except BaseException:
            layers.pop()
            raise
        top = layers.pop()
        if layers:
            _put(top, layers[-1])
        else:
            self._keep(top)

    @property
    def mark(self) -> Any:
        """The mark of the outermost unit of work that this thread is in."""
        return self._thread.mark

    @property
    def is_in_unit(self) -> bool:
        """Whether this thread has a unit of work under way."""
        return bool(self._layers())

    def set(self, space: Hashable, key: Hashable, value: Any) -> None:
        """Set the value of a key in this thread's unit of work; None takes the key away."""
        self._layers()[-1][space][key] = value

    def get(self, space: Hashable, key: Hashable) -> Any:
        """Return the value of a key as this thread sees it, None where there is none."""
        for layer in reversed(self._layers()):
            if space in layer and key in layer[space]:
                return layer[space][key]
        return self.kept(space, key)

    def kept(self, space: Hashable, key: Hashable) -> Any:
        """Return the value of a key without what this thread's unit of work has set."""
        with self.steady:
            return self._kept[space].get(key)

    def items(self, space: Hashable) -> dict[Any, Any]:
        """Return all keys of a space and their values as this thread sees them, at one moment."""
        with self.steady:
            seen = dict(self._kept[space])
        for layer in self._layers():
            seen.update(layer.get(space, ()))
        return {key: value for key, value in seen.items() if value is not None}

    def _layers(self) -> list[Layer]:
        if not hasattr(self._thread, "layers"):
            self._thread.layers = []
        layers: list[Layer] = self._thread.layers
        return layers

    def _keep(self, top: Layer) -> None:
        with self.steady:
            _put(top, self._kept)
            for space, changed in top.items():
                for key in [key for key, value in changed.items() if value is None]:
                    del self._kept[space][key]


def _put(layer: Layer, below: Layer) -> None:
    for space, changed in layer.items():
        below[space].update(changed)
