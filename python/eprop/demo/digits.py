"""Handwritten digits, learned from spikes: the data, their encoding, training and test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop import EpropTrainer
from eprop.optim import SGD

from . import needs_extra

N_CLASSES = 10
STEPS = 25
"""Steps of 1 ms that an image is shown."""
LABEL_FROM = 15
"""The step at which the label appears, in training; before it, the network answers."""
WINDOW = 200
"""Images that the running accuracy looks back on."""

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """What was tuned, once, by accuracy on validation parts of the training images of five splits.

    No split's held-out third was scored in that search, but the splits overlap: an image held out in one
    was a training or validation image in others. ``python -m eprop.demo.study --nested`` chooses the
    learning rate and the initial firing rate again, without that overlap.
    """

    n_neurons: int = 200
    passes: int = 15
    lr: float = 1e-3  # falls linearly to 0 over the training
    update_every: int | str = "sequence"  # once per image
    rate: float = 100.0  # Hz, at the start
    recurrence: float = 0.15  # share of the seed's W_rec to start with


class Digits(NamedTuple):
    """Images as rows: pixels (n, 64) in [0, 1], labels (n,) from 0 to 9."""

    pixels: Floats
    labels: Labels

    def take(self, rows: NDArray[np.int64]) -> Digits:
        """The images of these rows."""
        return Digits(self.pixels[rows], self.labels[rows])


@dataclass(frozen=True)
class Result:
    """A trained network, and how it did."""

    trainer: EpropTrainer
    test: Digits
    judged: NDArray[np.bool_]
    """Per training image, in the order of the stream: right before its label was shown?"""
    predicted: Labels
    """Per held-out image."""
    seconds: float
    """Of training."""
    right: float
    """Share of the training images that are classified correctly after training."""
    held_out: list[float]
    """Share of the held-out images, after each pass."""

    @property
    def accuracy(self) -> float:
        """Share of the held-out images that were classified correctly."""
        return float(np.mean(self.predicted == self.test.labels))


def run(
    seed: int, out: Path, data: Digits | None = None, settings: Settings | None = None, n_splits: int = 5
) -> Result:
    """Learn, print how well and how fast, and write the figure.

    Parameters
    ----------
    seed : int
        Of the split, the network and the spikes.
    out : Path
        The figure to write.
    data : Digits, optional
        By default all that scikit-learn carries.
    settings : Settings, optional
        By default the tuned ones.
    n_splits : int
        How many splits are learned, each by a network of its own: those of this seed and the next ones.

    Returns
    -------
    Result
        Of the first split.
    """
    from . import digits_figure

    settings, data = settings or Settings(), data or load()
    train, test = split(data, seed)
    print(f"{len(train.labels)} images to learn from, {len(test.labels)} held out")
    result = learn(train, test, seed, settings)
    trainer = result.trainer
    pixels, label = test.pixels[0], int(test.labels[0])
    outputs, spikes = trainer.predict_sequence(
        encode(pixels, np.random.default_rng(seed)), return_spikes=True
    )
    example = digits_figure.Example(pixels, label, outputs, spikes, decide(outputs))
    learned = digits_figure.Run(
        result.judged, result.held_out, WINDOW, test.labels, result.predicted, N_CLASSES
    )
    splits = [digits_figure.Split(seed, result.right, result.accuracy)]
    for other in range(seed + 1, seed + n_splits):
        found = learn(*split(data, other), other, settings)
        splits.append(digits_figure.Split(other, found.right, found.accuracy))
    digits_figure.draw(out, learned, example, splits)
    n_steps = len(result.judged) * STEPS
    print(
        f"accuracy on the held-out third: {result.accuracy:.1%}\n"
        f"of {n_splits} splits: {', '.join(f'{each.held_out:.1%}' for each in splits)}, "
        f"median {np.median([each.held_out for each in splits]):.1%}\n"
        f"training: {n_steps} steps in {result.seconds:.1f} s, "
        f"{n_steps / result.seconds:,.0f} steps per second\n"
        f"memory: {trainer.memory_bytes / 1024:.0f} KiB in all; {trainer.memory_per_step} numbers "
        "beside the weights are kept from step to step, however long the stream\n"
        f"figure: {out}"
    )
    return result


def load() -> Digits:
    """The 1,797 scans of 8 x 8 pixels that scikit-learn carries."""
    with needs_extra():
        from sklearn.datasets import load_digits
    pixels, labels = load_digits(return_X_y=True)
    return Digits((pixels / 16.0).astype(np.float32), labels.astype(np.int64))


def split(data: Digits, seed: int, share: float = 1 / 3) -> tuple[Digits, Digits]:
    """Two disjoint parts, every digit in the same share: to learn from, and held out."""
    with needs_extra():
        from sklearn.model_selection import train_test_split
    rows = np.arange(len(data.labels))
    kept, held_out = train_test_split(rows, test_size=share, random_state=seed, stratify=data.labels)
    return data.take(kept), data.take(held_out)


def learn(train: Digits, test: Digits, seed: int, settings: Settings) -> Result:
    """Build a network, train it on one part and test it on the other."""
    rng = np.random.default_rng(seed)
    trainer = build(train, seed, settings, rng)
    start = time.perf_counter()
    held_out: list[float] = []
    watched = 0.0

    def watch() -> None:
        nonlocal watched
        since = time.perf_counter()
        # Chance of its own: looking changes nothing of what is learned.
        held_out.append(score(trainer, test, np.random.default_rng([seed, len(held_out)])))
        watched += time.perf_counter() - since

    judged = teach(trainer, train, settings, rng, after_pass=watch)
    seconds = time.perf_counter() - start - watched
    predicted = classify(trainer, test, rng)
    return Result(trainer, test, judged, predicted, seconds, score(trainer, train, rng), held_out)


def build(train: Digits, seed: int, settings: Settings, rng: np.random.Generator) -> EpropTrainer:
    """A network that fires at ``settings.rate`` on the training images, with weak recurrence."""
    trainer = EpropTrainer(
        train.pixels.shape[1],
        settings.n_neurons,
        N_CLASSES,
        tau_mem=10.0,
        tau_trace=10.0,
        lr=settings.lr,
        loss="cross_entropy",
        update_every=settings.update_every,
        # The rate was tuned for this network: its steps need no limit.
        optimizer=SGD(limit=False),
        seed=seed,
    )
    trainer.W_rec = settings.recurrence * trainer.W_rec
    sample = np.concatenate([encode(pixels, rng) for pixels in train.pixels[:40]])
    trainer.calibrate(sample, rate=settings.rate)
    return trainer


def encode(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Spikes of one image: at each step a pixel fires with its brightness as probability.

    Parameters
    ----------
    pixels : ndarray, (n_pixels,)
        Brightness in [0, 1].
    rng : numpy.random.Generator
        Where the spikes come from.

    Returns
    -------
    ndarray, (STEPS, n_pixels)
        0 and 1.

    Examples
    --------
    >>> spikes = encode(np.array([0.0, 1.0]), np.random.default_rng(0))
    >>> spikes.shape, spikes.mean(axis=0).tolist()
    ((25, 2), [0.0, 1.0])
    """
    return (rng.random((STEPS, len(pixels))) < pixels).astype(np.float32)


def teach(
    trainer: EpropTrainer,
    train: Digits,
    settings: Settings,
    rng: np.random.Generator,
    after_pass: Callable[[], None] | None = None,
) -> NDArray[np.bool_]:
    """Stream the images past the network, fresh spikes each time, and say which it got right.

    Each image is judged by the readouts of the steps before its label appears. From the second
    pass on, the label was seen in earlier passes: only the first one judges images that are new.

    Parameters
    ----------
    trainer : EpropTrainer
        Trained in place.
    train : Digits
        The images to learn from.
    settings : Settings
        ``passes`` and ``lr`` are read.
    rng : numpy.random.Generator
        The order of the images, and their spikes.
    after_pass : callable, optional
        Called after each pass over the images.

    Returns
    -------
    ndarray of bool, (passes * n_images,)
        In the order of the stream: judged right?
    """
    with needs_extra():
        from tqdm import tqdm
    order = np.concatenate([rng.permutation(len(train.labels)) for _ in range(settings.passes)])
    shows_label = np.arange(STEPS) >= LABEL_FROM
    targets = np.eye(N_CLASSES, dtype=np.float32)
    judged = np.zeros(len(order), dtype=np.bool_)
    with tqdm(order, desc="training", unit="image", mininterval=0.2) as stream:
        for n, row in enumerate(stream):
            label = train.labels[row]
            trainer.lr = settings.lr * (1 - n / len(order))
            _, outputs = trainer.train_sequence(
                encode(train.pixels[row], rng),
                np.tile(targets[label], (STEPS, 1)),
                mask=shows_label,
                return_outputs=True,
            )
            judged[n] = decide(outputs[:LABEL_FROM]) == label
            if n % 50 == 49:
                running = judged[max(0, n + 1 - WINDOW) : n + 1].mean()
                stream.set_postfix_str(f"running accuracy {running:.1%}", refresh=False)
            if after_pass is not None and (n + 1) % len(train.labels) == 0:
                after_pass()
    return judged


def classify(trainer: EpropTrainer, images: Digits, rng: np.random.Generator) -> Labels:
    """The network's answer to each image; nothing is learned, no label is read."""
    answers = [decide(trainer.predict_sequence(encode(pixels, rng))) for pixels in images.pixels]
    return np.array(answers, dtype=np.int64)


def score(trainer: EpropTrainer, images: Digits, rng: np.random.Generator) -> float:
    """The share of the images that the network gets right; nothing is learned."""
    spikes = np.stack([encode(pixels, rng) for pixels in images.pixels])
    answers = trainer.evaluate(spikes).sum(axis=1).argmax(axis=1)
    return float(np.mean(answers == images.labels))


def decide(outputs: Floats) -> int:
    """The class whose readout is largest over these steps, (n_steps, N_CLASSES) in all.

    Examples
    --------
    >>> decide(np.array([[0.0, 1.0, 0.5], [0.0, 0.0, 0.9]]))
    2
    """
    return int(outputs.sum(axis=0).argmax())
