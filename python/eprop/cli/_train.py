"""``eprop train``: a network from a configuration, into a folder."""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optim import cosine
from ._bar import bar, clear
from ._config import Config, ConfigError, config_argument, read_config
from ._data import Data, read_data
from ._network import Network, build, split
from ._run import RECORD, Progress, load_run, save_run

JSON = "what came of it as one JSON object, and no line for each pass"
_EVERY = 5.0
"""Seconds from one checkpoint to the next, at least."""


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network on files",
        description="Train a network as a configuration says, and keep it in a folder with all that prediction needs. "
        "Ctrl-C leaves a checkpoint, from which --resume goes on as if nothing had happened.",
        epilog="example: eprop train config.toml",
    )
    config_argument(parser)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on with the run that is in the folder")
    begin.add_argument("--force", action="store_true", help="replace the run that is in the folder")
    parser.add_argument("--out", metavar="FOLDER", help="instead of the configuration's")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the configuration's")
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Trains, and prints a line for each pass and one in the end."""
    config = _config(options)
    folder = Path(config.out)
    if (folder / RECORD).exists() and not (options.resume or options.force):
        raise ValueError(f"{folder}: a run is there; --resume goes on with it, --force replaces it")
    network, progress = _resumed(config, folder) if options.resume else (None, None)
    data = _read(config, config.data.train)
    test = None if config.data.test is None else _read(config, config.data.test)
    data, held_out = split(config, data, int(config.trainer.get("seed", 42)))
    if network is None or progress is None:
        network, progress = build(config, data), Progress(len(data.X))
    elif progress.n_sequences != len(data.X):
        raise ValueError(
            f"{config.data.train}: expected the {progress.n_sequences} sequences of the run, got {len(data.X)}"
        )
    network.check(config.data.train, data, is_taught=True)
    if test is not None:
        network.check(str(config.data.test), test)
    if not options.resume:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)  # its files are about to be replaced
    start = time.monotonic()
    learn(folder, network, progress, data, held_out, _quiet if options.json else _say)
    seconds = time.monotonic() - start
    told = {
        "out": str(folder),
        "epochs": progress.epoch,
        "loss": progress.history[-1]["loss"],
        "score": "accuracy" if config.is_classification else "rmse",
        "validation": progress.history[-1].get("validation"),
        "test": None if test is None else network.score(test),
        "seconds": seconds,
    }
    if not options.json:
        if told["test"] is not None:
            print(f"test: {told['score']} {told['test']:.4g}")
        print(f"{folder}: a trained network, {seconds:.1f} s")
    return told


def _read(config: Config, path: str) -> Data:
    return read_data(Path(path), config.data, are_labels=config.is_classification)


def learn(
    folder: Path,
    network: Network,
    progress: Progress,
    data: Data,
    held_out: Data | None,
    say: Callable[[dict[str, float], int], None],
) -> None:
    """The passes that are not done yet; what chance decides depends on the seed, the pass and the batch alone.

    The loss of a pass is the mean loss of a sequence with a target; with `per_step`, that of a step with a target.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C: the batch was finished, and a checkpoint written.
    """
    trainer, epochs = network.trainer, network.config.training.epochs
    lessons = network.lessons(data.y)
    n_batches = math.ceil(len(data.X) / trainer.batch_size)
    rate = _schedule(network, n_batches)
    # Repeats of the last step share the weight of a sequence, and the trainer takes the mean over them again.
    n_shares = 1 if lessons.per_step else network.n_repeats
    first, order, saved = progress.epoch * n_batches + progress.batch, None, time.monotonic()
    if first == epochs * n_batches:  # of a run that was stopped after a pass which is now the last
        save_run(folder, network, progress)
    with _finishes_the_batch() as stopped:
        for n in bar(range(first, epochs * n_batches), "training"):
            epoch, batch = divmod(n, n_batches)
            if order is None or batch == 0:
                order = np.random.default_rng([trainer.seed, epoch]).permutation(len(data.X))
            rows = order[batch * trainer.batch_size : (batch + 1) * trainer.batch_size]
            trainer.lr = rate(n)
            inputs, lengths = network.present(data.take(rows).X)
            values, weights = lessons.take(rows).lesson(lengths, network.n_repeats)
            noisy = _noisy(inputs, network.config.training.noise, [trainer.seed, epoch, batch])
            loss = trainer.train_sequence(noisy, values, weights=weights, lengths=lengths)
            progress.add(n_shares * loss, int(np.count_nonzero(weights)))
            if progress.batch == n_batches:
                _end_epoch(network, progress, held_out)
                say(progress.history[-1], epochs)
            is_over, is_stopped = progress.epoch == epochs, stopped()
            if is_over or is_stopped or time.monotonic() - saved > _EVERY:
                save_run(folder, network, progress)
                saved = time.monotonic()
            if is_stopped and not is_over:
                raise KeyboardInterrupt(
                    f"stopped in pass {progress.epoch + 1} of {epochs}, with a checkpoint in {folder}; --resume goes on"
                )


def _end_epoch(network: Network, progress: Progress, held_out: Data | None) -> None:
    row = {
        "epoch": progress.epoch + 1,
        "loss": progress.total / progress.n_targets if progress.n_targets > 0 else math.nan,
        "lr": network.trainer.lr,
    }
    if held_out is not None and (score := network.score(held_out)) is not None:
        row["validation"] = score
    progress.history.append(row)
    progress.epoch, progress.batch, progress.total, progress.n_targets = progress.epoch + 1, 0, 0.0, 0


def _config(options: argparse.Namespace) -> Config:
    config = read_config(options.config)
    if options.epochs is not None:
        if options.epochs < 1:
            raise ConfigError(f"--epochs: expected at least 1, got {options.epochs}")
        config = replace(config, training=replace(config.training, epochs=options.epochs))
    return config if options.out is None else replace(config, out=options.out)


def _resumed(config: Config, folder: Path) -> tuple[Network, Progress]:
    network, progress = load_run(folder)
    given, kept = config.as_dict(), network.config.as_dict()
    for told in (given, kept):
        told["training"].pop("epochs")
        for path in ("train", "test"):  # as seen from wherever somebody stands
            told["data"].pop(path)
        told.pop("out")
    if changed := [name for name in given if given[name] != kept[name]]:
        raise ConfigError(
            f"{changed[0]}: expected the run's own, {kept[changed[0]]}, got {given[changed[0]]}; only epochs may change"
        )
    least = progress.epoch + (progress.batch > 0)
    if config.training.epochs < least:
        raise ConfigError(
            f"[training] epochs: expected at least {least}, since the run in {folder} is that far, got "
            f"{config.training.epochs}; --epochs {least} ends it there, --force trains anew"
        )
    return network._replace(config=config), progress


def _schedule(network: Network, n_batches: int) -> Callable[[int], float]:
    config = network.config
    given = config.trainer.get("lr")
    if given is None:
        uses_adam = config.trainer.get("optimizer", "adam") in ("adam", "adamw")
        given = 0.005 if uses_adam else network.trainer._as_optimizer.default_lr
    lr = float(given)
    if config.training.schedule == "constant":
        return lambda n: lr
    return cosine(lr, n_updates=config.training.epochs * n_batches)


def _noisy(inputs: NDArray[Any], noise: float, seed: list[int]) -> NDArray[Any]:
    if noise == 0.0:
        return inputs
    drawn = np.random.default_rng(seed).standard_normal(inputs.shape, np.float32)
    return np.asarray(inputs + noise * drawn * (inputs != 0.0), inputs.dtype)


@contextmanager
def _finishes_the_batch() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is a wish, which the body asks for; a second one is an interrupt as everywhere."""
    wished = False

    def wish(*_: Any) -> None:
        nonlocal wished
        wished = True
        signal.signal(signal.SIGINT, before)

    try:
        before = signal.signal(signal.SIGINT, wish)
    except ValueError:  # not the main thread, which alone hears signals
        yield lambda: False
        return
    try:
        yield lambda: wished
    finally:
        signal.signal(signal.SIGINT, before)


def _say(row: dict[str, float], epochs: int) -> None:
    held_out = f", held out {row['validation']:.4g}" if "validation" in row else ""
    clear()
    print(f"pass {row['epoch']} of {epochs}: loss {row['loss']:.4g}{held_out}", flush=True)


def _quiet(row: dict[str, float], epochs: int) -> None:
    """Says nothing."""
