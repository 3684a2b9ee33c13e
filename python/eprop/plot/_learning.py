"""What was learned: curves, weights, confusion, gradients beside those of backpropagation through time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import as_numbers, refuse_masked
from .._connections import as_dense
from ._style import COLORS, LEAST_SIZE, MAP, as_matrix, axes, legend_above, line, map_of, whole_ticks

__all__ = ["confusion_matrix", "gradients", "learning_curve", "weights"]

_MARKERS = "os^Dvx+*"
_DIGIT = 0.64
"""The width of one, in units of the size of the text."""


def learning_curve(
    curves: ArrayLike | Mapping[str, ArrayLike],
    *,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    ax: Any = None,
) -> Any:
    """Numbers over epochs, one line for each name.

    Parameters
    ----------
    curves : array_like (n_epochs,), or dict of them
        ``{"training": ..., "held out": ...}``; of any lengths, NaN leaves a gap.
    xlabel, ylabel : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        No curve; a curve that is empty or has more than one axis; not numbers.

    Examples
    --------
    >>> ax = learning_curve({"training": [3, 2, 1], "held out": [3.2, 2.4, 2.0]})
    >>> [line.get_label() for line in ax.lines]
    ['training', 'held out']
    """
    named = curves if isinstance(curves, Mapping) else {"": curves}
    if not named:
        raise ValueError("curves: expected at least one curve, got an empty dict")
    arrays = {name: np.asarray(as_numbers("curves", values), np.float64) for name, values in named.items()}
    for name, values in arrays.items():
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"curves: expected (n_epochs,), got {values.shape} {name}".rstrip())
    ax = axes(ax)
    for k, (name, values) in enumerate(arrays.items()):
        epochs = np.arange(1, len(values) + 1)
        # Some marks: a line of a single epoch shows, too, and lines differ without colour.
        every = max(1, len(values) // 8)
        ax.plot(
            epochs, values, **line(k), marker=_MARKERS[k % len(_MARKERS)], markevery=every, markersize=4,
            linewidth=1.4, label=name,
        )  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel)
    whole_ticks(ax.xaxis)
    if isinstance(curves, Mapping):
        legend_above(ax)
    return ax


def weights(
    W: ArrayLike,
    *,
    xlabel: str = "from (source)",
    ylabel: str = "to (neuron)",
    label: str = "weight",
    ax: Any = None,
) -> Any:
    """A weight matrix as colours; 0 is the middle of the scale.

    Parameters
    ----------
    W : array_like (n_to, n_from)
    xlabel, ylabel, label : str
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        A wrong shape; not finite; not numbers.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> ax = weights(EpropTrainer(5, 8, 1).W_in)
    >>> low, high = ax.images[0].get_clim()
    >>> low == -high
    True
    """
    array = as_matrix("W", as_dense(W), "(n_to, n_from)")
    ax = axes(ax)
    largest = float(np.abs(array).max()) or 1.0
    map_of(ax, array, label, vmin=-largest, vmax=largest)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    for axis in (ax.xaxis, ax.yaxis):
        whole_ticks(axis)
    return ax


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    ax: Any = None,
) -> Any:
    """How often each class was answered with each, with the counts where there is room for them.

    Parameters
    ----------
    y_true, y_pred : array_like (n,)
        Labels of any type.
    labels : sequence, optional
        Which classes there are, and their order. None: those that occur, sorted.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        Two lengths, nothing at all, or a label that `labels` has not.
    TypeError
        Masked labels; without `labels` some that cannot be sorted, as None beside others.

    Examples
    --------
    >>> ax = confusion_matrix(["a", "b", "b"], ["a", "a", "b"])
    >>> ax.get_title()
    '2 of 3 right (66.7 %)'
    """
    for name, given in (("y_true", y_true), ("y_pred", y_pred)):
        refuse_masked(name, given)
    true, answered = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != answered.shape or true.size == 0:
        raise ValueError(
            f"y_true, y_pred: expected two of the same length (n,), got {true.shape} and {answered.shape}"
        )
    classes = _sorted_classes(true, answered) if labels is None else list(labels)
    place = {name: k for k, name in enumerate(classes)}
    for name in (*true.tolist(), *answered.tolist()):
        if name not in place:
            raise ValueError(f"labels: expected all classes that occur, got none for {name!r}")
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, ([place[n] for n in true.tolist()], [place[n] for n in answered.tolist()]), 1)
    ax = axes(ax)
    # Shares of a class: rare ones show as well as frequent ones.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = min(ax.bbox.width, ax.bbox.height) * 72.0 / ax.figure.dpi / len(classes)
    size = min(8.0, 0.9 * cell, cell / (_DIGIT * len(str(counts.max()))))
    if size >= LEAST_SIZE:
        ax.imshow(shares, cmap=MAP, vmin=0.0, vmax=1.0)
        _write_counts(ax, counts, shares, size)
    else:
        map_of(ax, shares, "share of the true class", vmin=0.0, vmax=1.0, origin="upper", aspect="equal")
    _name_classes(ax, [str(name) for name in classes], cell)
    right = int(counts.trace())
    ax.set(xlabel="answer", ylabel="true class")
    ax.set_title(f"{right} of {len(true)} right ({100.0 * right / len(true):.1f} %)", fontsize="medium")
    return ax


def _sorted_classes(true: Any, answered: Any) -> list[Any]:
    try:
        return list(np.unique(np.concatenate([true, answered])))
    except TypeError:
        kinds = {
            name: sorted({type(label).__name__ for label in given.tolist()})
            for name, given in (("y_true", true), ("y_pred", answered))
        }
        name = max(kinds, key=lambda name: len(kinds[name]))
        raise TypeError(
            f"{name}: expected labels of one kind, which can be sorted, got {' and '.join(kinds[name])}; leave out what "
            "has no label, or say the order with labels="
        ) from None


def _write_counts(ax: Any, counts: Any, shares: Any, size: float) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "black" if shares[row, column] > 0.5 else "white"
            ax.text(column, row, str(count), ha="center", va="center", color=color, fontsize=size)


def _name_classes(ax: Any, names: list[str], cell: float) -> None:
    """As large as `cell` points let them be; if that is too small to be read, not all of them."""
    size = max(LEAST_SIZE, min(cell, ax.xaxis.label.get_fontsize()))
    places = range(0, len(names), math.ceil(size / cell))
    shown = [names[k] for k in places]
    are_narrow = (max(map(len, shown)) + 0.5) * _DIGIT * size < cell * places.step
    ax.set_xticks(places, shown, rotation=0 if are_narrow else 90, fontsize=size)
    ax.set_yticks(places, shown, fontsize=size)


def gradients(
    trainer: Any,
    inputs: Any,
    targets: ArrayLike,
    *,
    name: str = "W_rec",
    ax: Any = None,
    **options: Any,
) -> Any:
    """The trainer's gradient of each weight, beside that of backpropagation through time (BPTT).

    On the dashed line the two are equal. The title has the cosine of the angle between them.

    Parameters
    ----------
    trainer : EpropTrainer
        Its weights and state stay as they are.
    inputs, targets
        As in `EpropTrainer.gradients`. BPTT needs memory for the whole sequence.
    name : str
        ``"W_in"``, ``"W_rec"``, ``"W_out"`` or ``"b"``.
    ax : matplotlib.axes.Axes, optional
    **options
        Of `EpropTrainer.gradients`: `mask`, `weights`, `lengths`, `n_threads`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        Another name; a trainer of another class; what `EpropTrainer.gradients` raises.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> rng = np.random.default_rng(0)
    >>> trainer = EpropTrainer(10, 20, 1)
    >>> ax = gradients(trainer, rng.random((60, 10)) < 0.1, rng.normal(size=(60, 1)))
    >>> ax.get_xlabel()
    'gradient of BPTT (loss / weight)'
    """
    from .._trainer import EpropTrainer

    if not isinstance(trainer, EpropTrainer):
        raise TypeError(f"trainer: expected an EpropTrainer, got {type(trainer).__name__}")
    if name not in ("W_in", "W_rec", "W_out", "b"):
        raise ValueError(f'name: expected "W_in", "W_rec", "W_out" or "b", got {name!r}')
    own = np.ravel(as_dense(trainer.gradients(inputs, targets, **options)[name]))
    whole = trainer.gradients(inputs, targets, horizon="sequence", recurrent_gain=1.0, **options)
    bptt = np.ravel(as_dense(whole[name]))
    ax = axes(ax)
    ax.axline((0.0, 0.0), slope=1.0, color="0.4", linestyle="--", linewidth=1.0)
    ax.plot(bptt, own, ".", color=COLORS[0], markersize=3, alpha=0.5, markeredgewidth=0, rasterized=True)
    lengths = float(np.linalg.norm(own) * np.linalg.norm(bptt))
    cosine = f"cosine {own @ bptt / lengths:.3f}" if lengths > 0.0 else "a gradient is 0"
    ax.set(xlabel="gradient of BPTT (loss / weight)", ylabel="e-prop (loss / weight)")
    ax.set_title(f"{name}: {cosine}", fontsize="medium")
    return ax
