"""The fly's motion pathway out of flyvis's file (Lappalainen et al. 2024), cell by cell, as its authors lay it out.

The file has cell types and, for two of them, the mean number of synapses at each offset of columns (u, v), which are those
of a hexagonal grid. A type has a cell in every column whose u and v are multiples of its strides. Where three offsets or
more are listed, those that lie between them count as gaps of the data, with one synapse each: the closed convex hull but
for its lowest row. This last rule is that of the polygon test that the authors' numbers come from; seven offsets hang on it.
"""

import json
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Layout", "lay_out"]


class Layout(NamedTuple):
    """Cells are numbered type after type; `groups` says which are whose."""

    groups: dict[str, slice]
    columns: Any  # (n_cells, 2): u, v
    pre: Any
    post: Any
    n_synapses: Any  # of each edge
    sign: Any  # of each edge
    signs_of_types: dict[str, set[int]]


def lay_out(path: Any, radius: int = 15) -> Layout:
    told = json.loads(path.read_text(encoding="utf-8"))
    groups, columns, places = {}, [], {}
    for cell_type in told["nodes"]:
        (kind, strides), name = cell_type["pattern"], cell_type["name"]
        assert kind == "stride"
        mine = [(u, v) for u, v in hexagon(radius) if u % strides[0] == 0 and v % strides[1] == 0]
        groups[name] = slice(len(columns), len(columns) + len(mine))
        places[name] = np.full((2 * radius + 1, 2 * radius + 1), -1)
        places[name][tuple(np.add(mine, radius).T)] = np.arange(groups[name].start, groups[name].stop)
        columns += mine
    columns = np.array(columns)
    parts, signs_of_types = [], defaultdict(set)
    for edge in told["edges"]:
        signs_of_types[edge["src"]].add(edge["alpha"])
        counts = {tuple(offset): count for offset, count in edge["offsets"]}
        if len(counts) >= 3:
            counts |= dict.fromkeys(gaps(set(counts)), 1.0)
        pre = np.arange(groups[edge["src"]].start, groups[edge["src"]].stop)
        for offset, count in counts.items():
            at = columns[pre] + np.array(offset) + radius
            inside = ((at >= 0) & (at <= 2 * radius)).all(axis=1)
            post = np.full(len(pre), -1)
            post[inside] = places[edge["tar"]][tuple(at[inside].T)]
            there = post >= 0
            n = np.count_nonzero(there)
            parts.append((pre[there], post[there], np.full(n, count), np.full(n, edge["alpha"])))
    pre, post, n_synapses, sign = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Layout(groups, columns, pre, post, n_synapses, sign, dict(signs_of_types))


def hexagon(radius: int) -> list[tuple[int, int]]:
    """Columns up to so many steps from the middle one, in oblique coordinates."""
    near = range(-radius, radius + 1)
    return [(u, v) for u in near for v in near if abs(u + v) <= radius]


def gaps(known: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets that are not listed and lie between those that are."""
    hull = corners(known)
    lowest = min(v for _, v in known)
    us, vs = ([min(values), max(values)] for values in zip(*known, strict=True))
    return [
        point
        for u in range(us[0], us[1] + 1)
        for v in range(lowest + 1, vs[1] + 1)
        if (point := (u, v)) not in known
        and all(turn(a, b, point) >= 0 for a, b in zip(hull, hull[1:] + hull[:1], strict=True))
    ]


def corners(points: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of the convex hull, anticlockwise."""

    def chain(ordered: list[tuple[int, int]]) -> list[tuple[int, int]]:
        kept: list[tuple[int, int]] = []
        for point in ordered:
            while len(kept) > 1 and turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return chain(sorted(points)) + chain(sorted(points, reverse=True))


def turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """Above 0 where c is left of the line from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
