"""The tasks of `eprop.tasks`, each run with its preset, in one line of verdict and one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np

from eprop.tasks import copy_delay, delayed_match, evidence, mackey_glass, store_recall

from . import needs_extra

SAID = {
    "evidence": "which side had more cues",
    "store-recall": "the bit that was stored",
    "delayed-match": "whether two cues a second apart were the same",
    "copy-delay": "a row of symbols after a silence",
}
OF_TRIALS = {
    "evidence": evidence,
    "store-recall": store_recall,
    "delayed-match": delayed_match,
    "copy-delay": copy_delay,
}


def progress(iterations: Iterable[int]) -> Iterable[int]:
    """A bar over them."""
    with needs_extra():
        from tqdm import tqdm
    bar: Iterable[int] = tqdm(iterations, desc="training", mininterval=0.2)
    return bar


def of_trials(name: str) -> Callable[[int, Path], None]:
    """Trains on fresh trials, prints the errors in others, and draws one trial and the loss.

    Examples
    --------
    >>> callable(of_trials("evidence"))
    True
    """
    module: ModuleType = OF_TRIALS[name]

    def run(seed: int, out: Path) -> None:
        from . import plots

        learned = module.run(seed, bar=progress)
        trials = module.draw(np.random.default_rng(seed + 1), 1)
        outputs, spikes = learned.trainer.predict_sequence(trials.inputs[0], return_spikes=True)
        plots.trial(out, plots.Trial(trials.inputs[0], spikes, outputs, trials.labels[0], learned.losses))
        print(
            f"{SAID[name]}: {1 - learned.wrong:.1%} right of 512 fresh trials, after {len(learned.losses)} batches of "
            f"{learned.trainer.batch_size} in {learned.seconds:.0f} s\nfigure: {out}"
        )

    return run


def series(seed: int, out: Path) -> None:
    """Predicts a chaotic series in one pass, prints the error beside that of standing still, and draws both."""
    from . import plots

    preset = mackey_glass.Preset()
    found = mackey_glass.run(seed, preset, bar=progress)
    x = mackey_glass.series(np.random.default_rng(seed), preset.n_steps)[preset.ahead :]
    plots.series(out, plots.Series(x, x + found.errors))
    print(
        f"Mackey-Glass, {preset.ahead} steps ahead: error {found.nrmse:.2f} standard deviations over the second half of "
        f"{preset.n_steps} steps; that nothing changes: {found.persistence:.2f}; {found.seconds:.0f} s\nfigure: {out}"
    )
