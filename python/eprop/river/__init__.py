"""Estimators of river's kind: `learn_one`, `predict_one` on a stream, with a state that is carried from sample to sample.

The extra ``eprop[river]`` brings river; ``import eprop`` never asks for it.

Examples
--------
>>> from river import datasets, evaluate, metrics
>>> from eprop.river import EpropClassifier
>>> model = EpropClassifier(seed=0)
>>> accuracy = evaluate.progressive_val_score(datasets.Phishing().take(500), model, metrics.Accuracy())
>>> accuracy.get() > 0.75
True
"""

try:
    from ._classifier import EpropClassifier
    from ._regressor import EpropRegressor
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] != "river":
        raise
    raise ImportError(
        'eprop.river needs river, which is not installed: pip install "eprop[river]"', name=missing.name
    ) from missing

__all__ = ["EpropClassifier", "EpropRegressor"]
