"""What a graph of states says: how many interleavings there are, how they end, and the shortest way to each outcome.

Every path from the root to an end is an interleaving. A cycle has infinitely many: those that differ only in how often
they go round count once. To go round for ever is a livelock if it is fair, which means that no task could always run
and never does; where a cycle is not fair, every execution leaves it some time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator

from emu.explore.graph import Graph, Point
from emu.explore.report import Report, Seen
from emu.explore.schedule import Schedule

Outcomes = frozenset[str]
Livelock = Callable[[Schedule], Outcomes]
"""The outcomes of an execution that goes on for ever where a schedule leads to."""


class Analysis:
    """Points by number, from a root; `components` are those that lie on cycles with one another, last ones first."""

    def __init__(self, graph: Graph, livelock: Livelock) -> None:
        assert graph.root is not None
        self._graph = graph
        self._points: list[Point] = [graph.root]
        self._edges: list[dict[str, int]] = []
        self._number()
        self._component = [0] * len(self._points)
        self._components = list(self._tarjan())
        self._cyclic = [self._is_cyclic(members) for members in self._components]
        self._livelocks = self._find_livelocks(livelock)

    def report(self, report: Report) -> None:
        """Fill in the counts and the witnesses."""
        total, by_outcome = self._count()
        report.executions = total
        report.outcomes = {
            outcome: Seen(count, self._witness(outcome)) for outcome, count in sorted(by_outcome.items()) if count
        }

    def _number(self) -> None:
        numbers = {self._points[0]: 0}
        for point in self._points:
            edges: dict[str, int] = {}
            for name, successor in self._graph.successors(point):
                number = numbers.get(successor)
                if number is None:
                    number = numbers[successor] = len(self._points)
                    self._points.append(successor)
                edges[name] = number
            self._edges.append(edges)

    def _tarjan(self) -> Iterator[list[int]]:
        """Strongly connected components, each before those that lead to it (Tarjan 1972, without recursion)."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        on_stack: set[int] = set()
        done = 0
        work = [(0, iter(self._edges[0].values()))]
        while work:
            node, rest = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            child = next(rest, None)
            if child is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    members = stack[at:]
                    del stack[at:]
                    on_stack.difference_update(members)
                    for member in members:
                        self._component[member] = done
                    done += 1
                    yield members
            elif child not in index:
                work.append((child, iter(self._edges[child].values())))
            elif child in on_stack:
                low[node] = min(low[node], index[child])

    def _is_cyclic(self, members: list[int]) -> bool:
        return len(members) > 1 or members[0] in self._edges[members[0]].values()

    # Livelocks

    def _find_livelocks(self, livelock: Livelock) -> dict[int, Outcomes]:
        """The cyclic components that an execution can stay in fairly, with its outcomes there."""
        found: dict[int, Outcomes] = {}
        for number, members in enumerate(self._components):
            if self._cyclic[number] and self._starved(members) <= self._movers(members):
                found[number] = livelock(self._graph.path(self._points[members[0]].state))
        return found

    def _starved(self, members: list[int]) -> set[str]:
        """The tasks that can run at every point of a component."""
        return set.intersection(*(set(self._points[member].state.said) for member in members))

    def _movers(self, members: list[int]) -> set[str]:
        """The tasks that take steps within a component."""
        inside = self._component[members[0]]
        return {
            name
            for member in members
            for name, child in self._edges[member].items()
            if self._component[child] == inside
        }

    # Counting

    def _count(self) -> tuple[int, Counter[str]]:
        totals: list[int] = []
        counts: list[Counter[str]] = []
        for number, members in enumerate(self._components):
            ends = self._livelocks.get(number, self._points[members[0]].state.outcomes)
            total, count = int(ends is not None), Counter(ends or ())
            for member in members:
                for child in self._edges[member].values():
                    behind = self._component[child]
                    if behind != number:
                        total += totals[behind]
                        for outcome, times in counts[behind].items():
                            count[outcome] += times
            totals.append(total)
            counts.append(count)
        return totals[-1], counts[-1]

    # Witnesses

    def _witness(self, outcome: str) -> Schedule:
        ends = [n for n, point in enumerate(self._points) if outcome in (point.state.outcomes or ())]
        if ends:
            return self._prefixed(self._shortest(ends))
        inside = [number for number, outcomes in self._livelocks.items() if outcome in outcomes]
        members = [member for number in inside for member in self._components[number]]
        way = self._shortest(members)
        return self._prefixed([*way, *self._round(self._follow(way))])

    def _prefixed(self, way: list[str]) -> Schedule:
        root = self._points[0].state
        return (*self._graph.path(root), *way)

    def _follow(self, way: list[str]) -> int:
        node = 0
        for name in way:
            node = self._edges[node][name]
        return node

    def _shortest(self, ends: list[int]) -> list[str]:
        """The shortest way from the root to one of the ends; of these one with the fewest switches, then the first."""
        distance = self._distances(ends)
        nodes = sorted((node for node in distance if distance[node]), key=distance.__getitem__)
        costs: dict[int, dict[str, int]] = {}  # by first step: switches on the best way that begins with it
        for node in nodes:
            costs[node] = {
                name: _cheapest(costs.get(child), name)
                for name, child in self._edges[node].items()
                if distance.get(child) == distance[node] - 1
            }
        way: list[str] = []
        node, last = 0, self._last()
        while distance[node]:
            best = _cheapest(costs[node], last)
            last = min(name for name, cost in costs[node].items() if cost + (last not in (None, name)) == best)
            way.append(last)
            node = self._edges[node][last]
        return way

    def _last(self) -> str | None:
        """Who took the last step of the prefix."""
        prefix = self._graph.path(self._points[0].state)
        return prefix[-1] if prefix else None

    def _distances(self, ends: list[int]) -> dict[int, int]:
        before: list[list[int]] = [[] for _ in self._points]
        for node, edges in enumerate(self._edges):
            for child in edges.values():
                before[child].append(node)
        distance = dict.fromkeys(ends, 0)
        queue = deque(ends)
        while queue:
            node = queue.popleft()
            for earlier in before[node]:
                if earlier not in distance:
                    distance[earlier] = distance[node] + 1
                    queue.append(earlier)
        return distance

    def _round(self, start: int) -> list[str]:
        """A way from a point of a livelock back to it, on which every task steps that can always run there."""
        number = self._component[start]
        left = self._starved(self._components[number])
        way: list[str] = []
        node = start
        while left or node != start or not way:
            step = self._towards(node, number, left, start)
            way += step
            for name in step:
                left.discard(name)
                node = self._edges[node][name]
        return way

    def _towards(self, node: int, number: int, left: set[str], start: int) -> list[str]:
        """The shortest way within a component to a step of a task in `left`; if there is none, back to the start."""
        ways: dict[int, list[str]] = {node: []}
        queue = deque([node])
        while queue:
            here = queue.popleft()
            for name, child in self._edges[here].items():
                if self._component[child] != number:
                    continue
                if name in left or (not left and child == start):
                    return [*ways[here], name]
                if child not in ways:
                    ways[child] = [*ways[here], name]
                    queue.append(child)
        raise AssertionError("a component whose points do not lead to one another")


def _cheapest(costs: dict[str, int] | None, last: str | None) -> int:
    """The fewest switches on a way that begins with one of these steps, after a step of `last`."""
    if not costs:
        return 0
    return min(cost + (last not in (None, name)) for name, cost in costs.items())
