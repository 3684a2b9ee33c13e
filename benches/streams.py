"""A stream that drifts, learned untouched: prequential accuracy, memory and microseconds per sample, beside other models.

``python benches/streams.py FOLDER [--samples N]``; the folder has elec2/electricity.csv, half-hours of an electricity
market, whose last column is the label. Every model predicts a sample before it learns it, in one pass, in this process.
Times are of the processor. Memory is what the model says, after a tenth of the stream and at its end. deep-river is
there if it is installed.
"""

import os

os.environ.setdefault("EPROP_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

from river import forest, linear_model, preprocessing, tree

from eprop.river import EpropClassifier

N_FEATURES = 6
Sample = tuple[dict[str, float], bool]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of elec2/electricity.csv")
    parser.add_argument("--samples", type=int, help="only so many, from the beginning")
    parser.add_argument("--seeds", type=int, default=1, help="of eprop (default: 1)")
    options = parser.parse_args()
    path = options.folder / "elec2" / "electricity.csv"
    if not path.is_file():
        sys.exit(f"folder: expected elec2/electricity.csv in it, got {options.folder}")
    stream = electricity(path)[: options.samples]
    print(
        f"{len(stream)} samples\n| model | accuracy | us per sample | KB after a tenth | KB |\n|---|---|---|---|---|"
    )
    for name, model in models(options.seeds).items():
        print(measure(name, model, stream), flush=True)


def electricity(path: Path) -> list[Sample]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [({k: float(v) for k, v in row.items() if k != "class"}, row["class"] == "1") for row in rows]


def models(n_seeds: int) -> dict[str, Any]:
    named: dict[str, Any] = {f"eprop, seed {seed}": EpropClassifier(seed=seed) for seed in range(n_seeds)}
    named["logistic regression"] = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    named["Hoeffding tree"] = tree.HoeffdingTreeClassifier()
    named["adaptive random forest"] = forest.ARFClassifier(seed=0)
    try:
        from deep_river.classification import LogisticRegression, LSTMClassifier
    except ImportError as missing:
        print(f"deep-river: left out, {missing}")
    else:
        for name, of in (("logistic regression", LogisticRegression), ("LSTM of 16", LSTMClassifier)):
            named[f"deep-river, {name}"] = preprocessing.StandardScaler() | of(n_features=N_FEATURES)
    return named


def measure(name: str, model: Any, stream: list[Sample]) -> str:
    right, early, start = 0, 0, time.process_time()
    for k, (x, y) in enumerate(stream):
        right += model.predict_one(x) == y
        model.learn_one(x, y)
        if k == len(stream) // 10:
            early = model._raw_memory_usage
    each = 1e6 * (time.process_time() - start) / len(stream)
    sizes = f"{early / 1024:.0f} | {model._raw_memory_usage / 1024:.0f}"
    return f"| {name} | {right / len(stream):.4f} | {each:.0f} | {sizes} |"


if __name__ == "__main__":
    main()
