"""Estimators of scikit-learn's kind: `fit`, `predict`, `score` around a trainer.

They take what scikit-learn's own estimators take, and beside it sequences: arrays (n, T, features), lists of unequal
lengths, events. The extra ``eprop[sklearn]`` brings scikit-learn; ``import eprop`` never asks for it.

Examples
--------
>>> from sklearn.datasets import load_iris
>>> from eprop.sklearn import EpropClassifier
>>> X, y = load_iris(return_X_y=True)
>>> model = EpropClassifier(n_neurons=50, max_iter=10, random_state=0).fit(X, y)
>>> model.score(X, y) > 0.9
True
"""

try:
    from ._classifier import EpropClassifier
    from ._regressor import EpropRegressor
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] not in ("sklearn", "scipy"):
        raise
    raise ImportError(
        'eprop.sklearn needs scikit-learn, which is not installed: pip install "eprop[sklearn]"',
        name=missing.name,
    ) from missing

__all__ = ["EpropClassifier", "EpropRegressor"]
