"""State of river objects as JSON: what they are made of, node by node, without pickle.

An object is taken apart by the copy protocol (``__reduce_ex__``) and put together again from
classes that an allow-list admits: those of river, and a few containers of the standard library.
Nothing else is imported or called, so a snapshot cannot run foreign code.

A document is ``{"nodes": [...], "root": value}``. A value is a JSON scalar or ``[i]``, the node i;
objects that are the same stay the same. A node is one of::

    ["list" | "tuple" | "set" | "frozenset", values]
    ["dict", [[key, value], ...]]
    ["bytes", hex]
    ["array", dtype, shape, hex]
    ["global", module, name]                     a class, or a function of river
    ["object", class, how, args, state, items, pairs]

where ``how`` is ``call`` (class(*args)) or ``new`` (class.__new__(class, *args)), ``state`` is
``null``, ``["attributes", [[name, value], ...]]`` or ``["setstate", value]``, ``items`` are
appended and ``pairs`` are set.
"""

from __future__ import annotations

import copyreg
import json
from importlib import import_module
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeVar

import numpy as np

from streamad.core.errors import StateError

T = TypeVar("T")
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_SCALARS = (bool, int, float, str, type(None))
_STANDARD = {
    "builtins": {"bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "functools": {"partial"},
    "random": {"Random"},
}


def dump(root: object) -> str:
    """JSON text that :func:`load` turns into an equal object.

    Parameters
    ----------
    root : object
        A river estimator, or anything made of river objects and plain containers.

    Raises
    ------
    StateError
        If something in it is neither; the message names the type.

    Notes
    -----
    Cost: some microseconds for every object inside. Recursion depth does not grow with the object.

    Examples
    --------
    >>> from collections import deque
    >>> load(dump({"recent": deque([1, 2.5], maxlen=2)}))
    {'recent': deque([1, 2.5], maxlen=2)}
    """
    return _Writer().write(root)


def load(text: str) -> Any:
    """Inverse of :func:`dump`.

    Raises
    ------
    StateError
        If the text is damaged or names a class that is not admitted.
    """
    try:
        return _Reader(json.loads(text)).read()
    except (LookupError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise StateError(
            f"the state of a river detector cannot be rebuilt ({error!r}): the snapshot is damaged "
            "or was written by another version of river"
        ) from error


def parts(root: object, kind: type[T]) -> list[T]:
    """Every object of this type that :func:`dump` meets, in its order."""
    writer = _Writer()
    writer.write(root)
    return [part for part in writer.met if isinstance(part, kind)]


def _admitted(module: str, name: str) -> bool:
    return module.split(".")[0] == "river" or name in _STANDARD.get(module, ())


class _Writer:
    """Breadth first: a node is numbered when first met and described later."""

    def __init__(self) -> None:
        self._index: dict[int, int] = {}
        self.met: list[object] = []

    def write(self, root: object) -> str:
        start = self._value(root)
        nodes: list[list[Any]] = []
        while len(nodes) < len(self.met):
            nodes.append(self._node(self.met[len(nodes)]))
        return json.dumps({"nodes": nodes, "root": start}, separators=(",", ":"))

    def _value(self, thing: object) -> Any:
        if type(thing) in _SCALARS:
            return thing
        found = self._index.get(id(thing))
        if found is None:
            found = self._index[id(thing)] = len(self.met)
            self.met.append(thing)  # also keeps temporary objects alive, and so their ids unique
        return [found]

    def _values(self, things: Any) -> list[Any]:
        return [self._value(thing) for thing in things]

    def _pairs(self, pairs: Any) -> list[list[Any]]:
        return [[self._value(key), self._value(value)] for key, value in pairs]

    def _node(self, thing: Any) -> list[Any]:
        kind = type(thing)
        if kind in _CONTAINERS:
            return [_CONTAINERS[kind], self._values(thing)]
        if kind is dict:
            return ["dict", self._pairs(thing.items())]
        if kind is bytes:
            return ["bytes", thing.hex()]
        if isinstance(thing, np.ndarray | np.generic) and not thing.dtype.hasobject:
            return ["array", thing.dtype.str, list(thing.shape), thing.tobytes().hex()]
        if isinstance(thing, type | FunctionType | BuiltinFunctionType):
            return self._global(thing)
        return self._object(thing)

    def _global(self, thing: Any) -> list[Any]:
        module, name = str(thing.__module__), str(thing.__qualname__)
        if not _admitted(module, name):
            raise _refused(f"{module}.{name}")
        return ["global", module, name]

    def _object(self, thing: Any) -> list[Any]:
        cls = type(thing)
        if not _admitted(cls.__module__, cls.__qualname__):
            raise _refused(f"{cls.__module__}.{cls.__qualname__}")
        reduced = thing.__reduce_ex__(4)
        if isinstance(reduced, str) or reduced[0] not in (cls, copyreg.__newobj__):  # type: ignore[attr-defined]
            raise _refused(f"{cls.__module__}.{cls.__qualname__}")
        make, args, state, items, pairs = (*reduced, None, None, None)[:5]
        how = "call" if make is cls else "new"
        return [
            "object",
            self._value(cls),
            how,
            self._values(args if make is cls else args[1:]),
            self._state(thing, state),
            self._values(items or ()),
            self._pairs(pairs or ()),
        ]

    def _state(self, thing: object, state: Any) -> list[Any] | None:
        if state is None:
            return None
        if hasattr(thing, "__setstate__"):
            return ["setstate", self._value(state)]
        parts = state if isinstance(state, tuple) else (state,)
        return [
            "attributes",
            [pair for part in parts if part for pair in self._pairs(part.items())],
        ]


class _Reader:
    """Makes empty objects first and fills them afterwards, so that cycles do no harm."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._nodes: list[list[Any]] = document["nodes"]
        self._root = document["root"]
        self._made: dict[int, Any] = {}
        self._empty: list[int] = []
        self._states: list[tuple[Any, Any]] = []

    def read(self) -> Any:
        root = self._value(self._root)
        self._fill_all()
        for thing, state in reversed(self._states):
            thing.__setstate__(state)
        return root

    def _value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        index = value[0]
        if index not in self._made:
            self._made[index] = self._make(index)
        return self._made[index]

    def _values(self, values: list[Any]) -> list[Any]:
        return [self._value(value) for value in values]

    def _complete(self, values: list[Any]) -> list[Any]:
        """Values that a constructor may look into: filled at once."""
        waiting, self._empty = self._empty, []
        made = self._values(values)
        self._fill_all()
        self._empty = waiting
        return made

    def _fill_all(self) -> None:
        while self._empty:
            index = self._empty.pop()
            self._fill(self._made[index], self._nodes[index])

    def _make(self, index: int) -> Any:
        kind, *rest = self._nodes[index]
        if kind == "tuple":
            return tuple(self._values(rest[0]))
        if kind == "frozenset":
            return frozenset(self._values(rest[0]))
        if kind == "bytes":
            return bytes.fromhex(rest[0])
        if kind == "array":
            dtype, shape, raw = rest
            array = np.frombuffer(bytes.fromhex(raw), np.dtype(dtype)).reshape(shape).copy()
            return array if shape else array[()]
        if kind == "global":
            return _find(*rest)
        if kind != "object":
            self._empty.append(index)
            return {"list": list, "set": set, "dict": dict}[kind]()
        cls, args = self._value(rest[0]), self._complete(rest[2])
        if not isinstance(cls, type):
            raise StateError(f"a snapshot may only make objects of classes, got {cls!r}")
        self._empty.append(index)
        return cls(*args) if rest[1] == "call" else cls.__new__(cls, *args)

    def _fill(self, thing: Any, node: list[Any]) -> None:
        kind, *rest = node
        if kind == "list":
            thing.extend(self._values(rest[0]))
        elif kind == "set":
            thing.update(self._values(rest[0]))
        elif kind == "dict":
            thing.update((self._value(key), self._value(value)) for key, value in rest[0])
        else:
            state, items, pairs = rest[3:]
            if state is not None and state[0] == "setstate":
                self._states.append((thing, self._value(state[1])))
            elif state is not None:
                for name, value in state[1]:
                    setattr(thing, self._value(name), self._value(value))
            for item in items:
                thing.append(self._value(item))
            for key, value in pairs:
                thing[self._value(key)] = self._value(value)


def _find(module: str, name: str) -> Any:
    if not _admitted(module, name):
        raise StateError(
            f"the state of a river detector names {module}.{name}, which is not admitted: only "
            "classes of river and plain containers are; the snapshot is damaged or foreign"
        )
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _refused(name: str) -> StateError:
    return StateError(
        f"the state of a river detector should be made of river objects and plain containers, but "
        f"it holds a {name}, which cannot be saved without pickle: choose another detector or "
        "other parameters"
    )
