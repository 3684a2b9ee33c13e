"""Tasks that anybody can run: what is shown, a network that learns it, and how well it did.

Each task is a module with a frozen dataclass ``Preset``, ``build(seed, preset)``, which makes the untaught network, and
``run(seed, preset, bar)``, which trains and tests it. ``eprop demo NAME`` runs one and draws what happened.

Examples
--------
>>> from eprop.tasks import evidence
>>> trainer = evidence.build(seed=1, preset=evidence.Preset(n_lif=20, n_adaptive=20))
>>> trainer.n_neurons
40
"""

from . import delayed_match, evidence, mackey_glass, store_recall

__all__ = ["delayed_match", "evidence", "mackey_glass", "store_recall"]
