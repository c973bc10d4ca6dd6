"""
Which libraries come with an extension module, and which of them may come before it.

It follows the loader, without opening anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywarmup.responsiveness import elf, loader

if TYPE_CHECKING:
    from collections.abc import Iterable


class Node:
    """
    A library among those that come with another.

    Parameters
    ----------
    library : Library or None
        The file, None if only the loader can tell which it is.
    is_open : bool
        Whether it is open already.
    """

    def __init__(self, library: loader.Library | None, *, is_open: bool) -> None:
        self.library = library
        self.is_open = is_open
        self.needs: dict[str, Node] = {}

    @property
    def path(self) -> str | None:
        """Where the file is."""
        return self.library.path if self.library else None

    def closure(self) -> set[Node]:
        """Return the node and all that it depends on."""
        found: set[Node] = set()
        ahead = [self]
        while ahead:
            node = ahead.pop()
            if node not in found:
                found.add(node)
                ahead.extend(node.needs.values())
        return found

    def may_come_early(self) -> bool:
        """
        Whether nothing of Python is called if it is opened, and all in one order.

        In a cycle it depends on where the loader enters which is initialized first.
        """
        return not any(
            _uses_python(node) or (not node.is_open and node.is_in_cycle())
            for node in self.closure()
        )

    def is_in_cycle(self) -> bool:
        """Whether it depends on itself."""
        return any(self in needed.closure() for needed in self.needs.values())


def _uses_python(node: Node) -> bool:
    if node.library is None:
        return True
    try:
        return node.library.uses_python()
    except (OSError, elf.NotElfError):
        return True


def nodes_of(root: loader.Library) -> list[Node]:
    """
    Return what the loader would map to open a library, in its order.

    The library itself comes first.
    """
    first = Node(root, is_open=False)
    # By name; the loader takes a library that it has mapped by either name.
    known: dict[str, Node] = {}
    nodes = [first]
    needed_by: dict[Node, list[loader.Library]] = {first: [root]}
    for node in nodes:
        if node.library is None:
            continue
        for name in node.library.dynamic.needed:
            found = known.get(name)
            if found is None:
                found = _node_for(name, needed_by[node], nodes)
                known[name] = found
            if found not in needed_by:
                nodes.append(found)
                if found.library is not None:
                    known.setdefault(found.library.dynamic.soname or name, found)
                    chain = [] if found.is_open else needed_by[node]
                    needed_by[found] = [found.library, *chain]
                else:
                    needed_by[found] = []
            node.needs[name] = found
    return nodes


def _node_for(name: str, needed_by: list[loader.Library], nodes: list[Node]) -> Node:
    try:
        path = loader.where_open(name)
        if path is not None:
            library, is_open = loader.library(path), True
        else:
            library, is_open = loader.search(name, needed_by), False
    except (OSError, elf.NotElfError, loader.UnknownError):
        return Node(None, is_open=False)
    for node in nodes:
        if node.library is library:
            return node
    return Node(library, is_open=is_open)


def size_of(nodes: Iterable[Node]) -> int:
    """Return how many bytes of files are still to be mapped."""
    return sum(
        node.library.dynamic.size
        for node in nodes
        if node.library is not None and not node.is_open
    )


def candidates(nodes: list[Node]) -> list[Node]:
    """
    Return what may be opened before the extension module at the head of the nodes.

    These are those on top: what they need comes with them. The last comes first, as
    it does when the loader initializes them.
    """
    free = [node for node in nodes[1:] if not node.is_open and node.may_come_early()]
    covered: set[Node] = set()
    for node in free:
        covered |= node.closure() - {node}
    return [node for node in reversed(free) if node not in covered]


def comes_alone(node: Node) -> bool:
    """Whether the loader finds the same for a library that it opens by itself."""
    if node.library is None:
        return False
    alone = nodes_of(node.library)[0]
    pairs, seen = [(node, alone)], set()
    while pairs:
        pair = pairs.pop()
        if pair in seen:
            continue
        seen.add(pair)
        here, there = pair
        if here.path is None or here.path != there.path:
            return False
        pairs.extend((here.needs[name], there.needs[name]) for name in here.needs)
    return True


def binds_alike(node: Node, nodes: list[Node]) -> bool:
    """
    Whether a library's symbols are the same without the others around it.

    The loader looks them up in the extension module first, and then in all that
    comes with it. Opened by itself, the library sees what it needs alone.
    """
    inside = node.closure()
    shared = loader.global_paths()
    around = [
        other.library
        for other in nodes
        if other not in inside and other.library and other.path not in shared
    ]
    defined: set[int] = set()
    defined.update(*(other.symbols.hashes for other in around))
    differing: set[bytes] = set()
    differing.update(*(other.differing() for other in around))
    hashes = set(map(elf.hash_of, differing))
    return not any(
        # Who can do without a symbol takes it if it is there.
        not each.library.wanted_weakly.isdisjoint(defined)
        or not differing.isdisjoint(each.library.symbols.undefined)
        or not differing.isdisjoint(each.library.differing(hashes))
        for each in inside
        if each.library and not each.is_open
    )
