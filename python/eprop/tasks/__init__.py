"""Tasks that anybody can run: what is shown, a network that learns it, and how well it did.

Each task is a module with a frozen dataclass ``Preset`` and ``run(..., seed, preset, bar)``, which trains and tests. Those
that make their own data have ``draw`` and ``build(seed, preset)``, the untaught network; those of recordings have ``load``,
which takes your path, and need scikit-learn, the extra ``sklearn``. ``eprop demo NAME`` runs one and draws what
happened.

Examples
--------
>>> from eprop.tasks import evidence
>>> trainer = evidence.build(seed=1, preset=evidence.Preset(n_lif=20, n_adaptive=20))
>>> trainer.n_neurons
40
"""

from . import (
    cartpole,
    copy_delay,
    delayed_match,
    digit_rows,
    ecg,
    elec2,
    evidence,
    mackey_glass,
    mnist_rows,
    spoken_digits,
    store_recall,
    vowels,
)

__all__ = [
    "cartpole",
    "copy_delay",
    "delayed_match",
    "digit_rows",
    "ecg",
    "elec2",
    "evidence",
    "mackey_glass",
    "mnist_rows",
    "spoken_digits",
    "store_recall",
    "vowels",
]
