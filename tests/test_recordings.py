"""Tasks of recordings: files are read as they are described, and what is easy is learned. Every file is made here."""

import csv
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dct
from scipy.io import savemat
from scipy.ndimage import affine_transform, map_coordinates

from eprop.cli import main
from eprop.sklearn import EpropClassifier
from eprop.tasks import cartpole, digit_rows, ecg, elec2, mnist_rows, spoken_digits, vowels
from eprop.tasks._recordings import Recordings

BENCH = Path(__file__).parents[1] / "benches" / "tasks.py"

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def write_vowels(folder, n=60):
    """Two speakers: whose first coefficient rises, and whose falls. Utterances of 7 to 12 steps."""
    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        lines = ["# made by a test", "@problemName JapaneseVowels", "@data"]
        for k in range(n):
            T = int(rng.integers(7, 13))
            x = rng.normal(0.0, 0.1, (12, T))
            x[0] += np.linspace(-1, 1, T) * (1 if k % 2 else -1)
            lines.append(":".join(",".join(f"{v:.4f}" for v in row) for row in x) + f":{k % 2 + 1}")
        (folder / f"JapaneseVowels_{part}.ts").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_words(folder, n=20):
    """A low tone is 0, a high one is 1; two speakers."""
    rng = np.random.default_rng(1)
    for k in range(2 * n):
        digit, speaker = k % 2, ("ann", "bob")[k // 2 % 2]
        t = np.arange(rng.integers(1500, 2500)) / 8000.0
        samples = 0.3 * np.sin(2 * np.pi * (400.0, 1500.0)[digit] * t) + rng.normal(0.0, 0.01, len(t))
        with wave.open(str(folder / f"{digit}_{speaker}_{k}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((32767 * samples).astype(np.int16).tobytes())
    return folder


def write_images(folder, n=60):
    """Left or right half bright, sorted by label as the real ones are."""
    labels = np.repeat([0, 1], n // 2)
    images = np.zeros((n, 28, 28), np.uint8)
    images[labels == 0, :, :14] = images[labels == 1, :, 14:] = 200
    np.savez(folder / "images.npz", images=images, labels=labels)
    return folder / "images.npz"


def write_heartbeats(folder, n=16, T=80):
    """The class at each step is which input was on last; every tenth step has no label."""
    rng = np.random.default_rng(2)
    for part in ("train", "test"):
        x, y = np.zeros((n, T, 4)), np.zeros((n, T, 6))
        for k in range(n):
            for t in range(0, T, 20):
                which = rng.integers(2)
                x[k, t : t + 5, which] = 1.0
                y[k, t : t + 20, which] = 1.0
        y[:, ::10] = 0.0
        savemat(folder / f"QTDB_{part}.mat", {"x": x, "y": y})
    return folder


def write_market(folder, n=400):
    rng = np.random.default_rng(3)
    price = np.cumsum(rng.normal(size=n)) / 10
    with open(folder / "electricity.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["nswprice", "noise", "class"])
        rows.writerows([p, rng.random(), int(p > 0)] for p in price)
    return folder / "electricity.csv"


def test_utterances_are_read_with_their_lengths_and_learned(tmp_path):
    data = vowels.load(write_vowels(tmp_path))
    assert all(x.shape[1] == 12 and 7 <= len(x) <= 12 for x in data.X) and len({len(x) for x in data.X}) > 1
    assert data.y.tolist() == ["1", "2"] * 30 == data.y_test.tolist()
    assert data.X[1][-1, 0] > 0.5 > data.X[0][-1, 0]
    found = vowels.run(data, preset=vowels.Preset(n_neurons=30, max_iter=30))
    assert found.right >= 0.9 and found.losses[-1] < 0.5 * found.losses[0]
    assert found.right == np.mean(found.predicted == data.y_test)


def test_words_are_read_as_spectra_and_learned(tmp_path):
    data = spoken_digits.load(write_words(tmp_path), seed=1)
    assert len(data.X_test) == 4 and len(data.X) == 36 and data.X[0].shape[1] == spoken_digits.N_BANDS
    # A tone of 400 Hz is in a lower band than one of 1,500 Hz.
    peaks = {y: np.abs(x).mean(axis=0).argmax() for x, y in zip(data.X, data.y, strict=True)}
    assert set(data.y) == {0, 1} and peaks.keys() == {0, 1}
    assert spoken_digits.run(data, preset=spoken_digits.Preset(n_neurons=40, max_iter=20)).right >= 0.75
    stranger = spoken_digits.load(tmp_path, speaker="bob")
    assert len(stranger.X) == len(stranger.X_test) == 20
    with pytest.raises(ValueError, match="speaker: expected one of ann, bob, got 'eve'"):
        spoken_digits.load(tmp_path, speaker="eve")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"folder: expected \.wav files"):
        spoken_digits.load(tmp_path / "empty")


def test_a_tone_is_in_its_band():
    t = np.arange(4000) / 8000.0
    bands = []
    for hertz in (200, 800, 3000):
        tone = np.where(t < 0.25, 0.0, np.sin(2 * np.pi * hertz * t))  # silence first: a band has mean 0
        bands.append(spoken_digits.log_mel(tone, 8000)[-5:].mean(axis=0).argmax())
    assert bands == sorted(bands) and len(set(bands)) == 3


def test_images_are_rows_from_0_to_1_and_every_fifth_is_held_out(tmp_path):
    data = mnist_rows.load(write_images(tmp_path))
    assert data.X.shape == (48, 28, 28) and data.X_test.shape == (12, 28, 28)
    assert data.X.min() == 0.0 and data.X.max() == pytest.approx(200 / 255)
    assert mnist_rows.run(data, preset=mnist_rows.Preset(n_neurons=30, max_iter=10)).right == 1.0


class Drawn:
    """What chance says, in its order: the angle, the stretch of the axes, the shift."""

    def __init__(self, *values):
        self.values = list(values)
        self.bounds = []

    def uniform(self, least, most, shape=()):
        self.bounds.append((least, most))
        return np.broadcast_to(self.values.pop(0), shape)


def test_an_image_is_moved_as_scipy_moves_it():
    images = np.random.default_rng(0).random((3, 28, 28))
    angle, stretch, shift = 0.15, np.array([0.1, -0.07]), np.array([0.7, -1.2])
    drawn = Drawn(angle, stretch, shift)
    moved = mnist_rows.moved(images, drawn, mnist_rows.Preset(shift=2.0, turn=0.2, zoom=0.3))
    assert drawn.bounds == [(-0.2, 0.2), (-0.3, 0.3), (-2.0, 2.0)]
    matrix = (
        np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * (1 + stretch)[:, None]
    )
    centre = np.full(2, 13.5)
    for image, got in zip(images, moved, strict=True):
        expected = affine_transform(
            image, matrix, centre + shift - matrix @ centre, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(got, expected, atol=1e-12)
    # Whole pixels: what was there moves, and zeros come in.
    up = mnist_rows.moved(images, Drawn(0.0, 0.0, np.array([1.0, -2.0])))
    np.testing.assert_array_equal(up[:, :-1, 2:], images[:, 1:, :-2])
    assert not up[:, -1].any() and not up[:, :, :2].any()


def test_images_are_moved_anew_each_time_and_as_the_generator_says():
    images, rng = np.random.default_rng(0).random((501, 28, 28)).astype(np.float32), np.random.default_rng(1)
    first, second = mnist_rows.moved(images, rng), mnist_rows.moved(images, rng)
    assert (
        first.shape == images.shape and first.dtype == np.float32 and (first != second).any(axis=(1, 2)).all()
    )
    np.testing.assert_array_equal(mnist_rows.moved(images, np.random.default_rng(1)), first)


def test_the_test_part_is_not_moved(tmp_path):
    data = mnist_rows.load(write_images(tmp_path))
    before = data.X.copy(), data.X_test.copy()
    found = mnist_rows.run(data, seed=3, preset=mnist_rows.Preset(n_neurons=20, max_iter=3))
    np.testing.assert_array_equal(data.X, before[0])
    np.testing.assert_array_equal(data.X_test, before[1])
    np.testing.assert_array_equal(found.predicted, found.classifier.predict(before[1]))
    assert len(found.losses) == found.classifier.n_iter_ == 3
    # The rate of the last of three passes, on a cosine from 0.005.
    assert found.classifier.trainer_.lr == pytest.approx(0.005 * 0.25)


def test_the_slope_of_a_band_is_taken_on_both_sides():
    x = np.cumsum(np.random.default_rng(0).normal(size=(9, 3)), axis=0)
    (got,) = spoken_digits.with_slopes([x], 2)
    np.testing.assert_array_equal(got[:, :3], x)
    for t in range(9):
        np.testing.assert_array_equal(got[t, 3:], x[min(t + 2, 8)] - x[max(t - 2, 0)])
    # A word shorter than the slope is wide.
    (short,) = spoken_digits.with_slopes([x[:2]], 3)
    np.testing.assert_array_equal(short[:, 3:], np.tile(x[1] - x[0], (2, 1)))


def test_with_a_floor_loudness_counts_nowhere_and_silence_is_flat():
    t = np.arange(4000) / 8000.0
    tone = np.where(t < 0.25, 0.0, np.sin(2 * np.pi * 800 * t))
    hiss = tone + 1e-4 * np.random.default_rng(0).normal(size=4000)
    loud, quiet = (spoken_digits.log_mel(gain * hiss, 8000) for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-9)
    np.testing.assert_allclose(loud, spoken_digits.log_mel(tone, 8000), atol=1e-2)
    fixed = [spoken_digits.log_mel(gain * hiss, 8000, floor=None) for gain in (1.0, 0.01)]
    assert np.abs(fixed[0] - fixed[1]).max() > 1.0
    assert not spoken_digits.log_mel(np.zeros(2000), 8000).any()


def test_cepstra_are_the_first_cosines():
    x = np.random.default_rng(0).normal(size=(9, 32))
    np.testing.assert_allclose(spoken_digits.cepstra(x, 13), dct(x, axis=1)[:, :13] / 2, atol=1e-12)


def test_a_word_is_stretched_as_scipy_stretches_it():
    x = np.random.default_rng(0).normal(size=(20, 32))
    drawn = Drawn(np.log(1.5), np.log(0.9), -1.5)
    got = spoken_digits.stretched(x, drawn, spoken_digits.Preset(slower=0.5, wider=0.2, shift=3.0))
    assert drawn.bounds == [(-0.5, 0.5), (-0.2, 0.2), (-3.0, 3.0)]
    places = np.meshgrid(np.linspace(0, 19, 30), 0.9 * np.arange(32) - 1.5, indexing="ij")
    expected = map_coordinates(x, places, order=1, mode="nearest")
    np.testing.assert_allclose(got, expected - expected.mean(axis=0), atol=1e-12)
    still = spoken_digits.stretched(x, Drawn(0.0, 0.0, 0.0))
    np.testing.assert_allclose(still, x - x.mean(axis=0), atol=1e-12)
    # A single step stays one.
    assert spoken_digits.stretched(x[:1], Drawn(-0.5, 0.1, 1.0)).shape == (1, 32)


def test_words_are_stretched_anew_in_each_pass_and_those_of_the_test_are_not(tmp_path, monkeypatch):
    data = spoken_digits.load(write_words(tmp_path), seed=1)
    preset = spoken_digits.Preset(n_neurons=20, max_iter=3)
    made = []
    stretched = spoken_digits.stretched
    monkeypatch.setattr(
        spoken_digits, "stretched", lambda x, *rest: made.append((x, stretched(x, *rest))) or made[-1][1]
    )
    found = spoken_digits.run(data, seed=3, preset=preset)
    passes = np.reshape([len(after) for _, after in made], (3, len(data.X)))
    assert all(made[k][0] is data.X[k % len(data.X)] for k in range(3 * len(data.X)))
    assert (passes[0] != passes[1]).any() and (passes[1] != passes[2]).any()
    shown = spoken_digits.with_slopes([spoken_digits.cepstra(x, 13) for x in data.X_test], 2)
    np.testing.assert_array_equal(found.predicted, found.classifier.predict(shown))
    bands = spoken_digits.run(
        data, preset=spoken_digits.Preset(n_neurons=20, max_iter=1, n_cepstra=0, slope=0)
    )
    assert bands.classifier.n_features_in_ == spoken_digits.N_BANDS


def test_digits_of_scikit_learn_are_split_by_class():
    data = digit_rows.load(seed=3)
    assert len(data.y) + len(data.y_test) == 1797 and 0.24 < len(data.y_test) / 1797 < 0.26
    assert not (data.X[:, None] == data.X_test[None, :5]).all(axis=(2, 3)).any(axis=0).all()
    before = data.X.copy(), data.X_test.copy()
    found = digit_rows.run(data, preset=digit_rows.Preset(n_neurons=60, max_iter=5, lr=0.005))
    assert found.right > 0.8 and found.classifier.trainer_.batch_size == 8
    # What is given stays as it is, and the test's images are shown as they are.
    np.testing.assert_array_equal(data.X, before[0])
    np.testing.assert_array_equal(found.predicted, found.classifier.predict(before[1]))
    # The rate of the last of five passes, on a cosine from the preset's.
    last = 0.005 * (1.0 + np.cos(0.8 * np.pi)) / 2.0
    assert found.classifier.trainer_.lr == pytest.approx(last)


def test_without_a_rate_images_are_learned_at_the_estimators_which_falls_from_pass_to_pass():
    data = digit_rows.load(seed=3)
    few = digit_rows.Preset(n_neurons=10, max_iter=4, lr=None)
    found = digit_rows.run(Recordings(data.X[:64], data.y[:64], data.X_test, data.y_test), preset=few)
    own = (
        EpropClassifier(n_neurons=10, max_iter=1, schedule="constant")
        .fit(data.X[:64], data.y[:64])
        .trainer_.lr
    )
    assert found.classifier.trainer_.lr == pytest.approx(own * (1.0 + np.cos(0.75 * np.pi)) / 2.0)


def test_some_digits_stay_still_and_the_others_are_moved_anew():
    images, rng = np.random.default_rng(0).random((1000, 8, 8)), np.random.default_rng(1)
    preset = digit_rows.Preset(still=0.25)
    first, second = (digit_rows.varied(images, rng, preset) for _ in range(2))
    still = [(found == images).all(axis=(1, 2)) for found in (first, second)]
    for same in still:
        assert 0.2 < same.mean() < 0.3
    moved_twice = ~still[0] & ~still[1]
    assert (first != second)[moved_twice].any(axis=(1, 2)).all()
    assert (digit_rows.varied(images, rng, digit_rows.Preset(still=1.0)) == images).all()
    assert not (digit_rows.varied(images, rng, digit_rows.Preset(still=0.0)) == images).all(axis=(1, 2)).any()


def test_steps_without_a_label_count_nowhere(tmp_path):
    train, test = (ecg.load(write_heartbeats(tmp_path), part) for part in ("train", "test"))
    assert train.inputs.shape == (16, 80, 4) and set(np.unique(train.labels)) == {-1, 0, 1}
    assert (train.labels[:, ::10] == -1).all() and (train.labels[:, 1:10] >= 0).all()
    preset = ecg.Preset(n_neurons=20, passes=25)
    learned = ecg.run(train, test, preset=preset)
    assert learned.wrong < 0.2 and len(learned.losses) == 25
    said = ecg.predict(learned.trainer, test.inputs)
    known = test.labels >= 0
    assert learned.wrong == pytest.approx(np.mean(said[known] != test.labels[known]))


def test_the_bench_runs_the_larger_network_of_heartbeats(tmp_path):
    (tmp_path / "qtdb").mkdir()
    write_heartbeats(tmp_path / "qtdb")
    command = [sys.executable, str(BENCH), "ecg-256", "--data", str(tmp_path), "--seeds", "1"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "ecg-256: the same, of 256 neurons: median" in ran.stdout
    assert float(re.search(r"ecg-256, seed 0: (\S+)", ran.stdout)[1]) > 0.8


def test_a_stream_is_judged_before_it_is_learned(tmp_path):
    stream = elec2.load(write_market(tmp_path))
    assert len(stream.X) == 400 and stream.X[0].keys() == {"nswprice", "noise"}
    found = elec2.run(stream)
    assert found.was_right.shape == (400,) and found.right == found.was_right.mean() > 0.85
    labels = np.array(stream.y)
    assert found.persistence == np.mean(labels[1:] == labels[:-1])
    # With labels turned around from here on, nothing that was judged before changes.
    other = elec2.Stream(stream.X, [*stream.y[:200], *(not y for y in stream.y[200:])])
    again = elec2.run(other)
    np.testing.assert_array_equal(again.was_right[:200], found.was_right[:200])
    assert again.was_right[200] != found.was_right[200]


@pytest.mark.parametrize(
    ("name", "write", "module", "preset"),
    [
        ("vowels", write_vowels, vowels, vowels.Preset(n_neurons=10, max_iter=2)),
        ("spoken-digits", write_words, spoken_digits, spoken_digits.Preset(n_neurons=10, max_iter=2)),
        ("mnist-rows", write_images, mnist_rows, mnist_rows.Preset(n_neurons=10, max_iter=2)),
        ("ecg", write_heartbeats, ecg, ecg.Preset(n_neurons=10, passes=2)),
        ("elec2", write_market, elec2, elec2.Preset(n_neurons=10)),
    ],
)
def test_a_demo_says_one_line_and_draws(monkeypatch, tmp_path, capsys, name, write, module, preset):
    monkeypatch.setattr(module, "Preset", lambda: preset)
    path, out = write(tmp_path), tmp_path / "figure.png"
    assert main(["demo", name, "--data", str(path), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "right" in said and f"figure: {out}" in said and out.stat().st_size > 10_000


def test_a_pole_stands_longer_and_is_drawn(monkeypatch, tmp_path, capsys):
    pytest.importorskip("gymnasium")
    lived = cartpole.run(seed=3, preset=cartpole.Preset(episodes=150))
    assert len(lived.returns) == 150 and lived.best >= lived.last
    assert max(np.convolve(lived.returns, np.full(20, 0.05), "valid")) > 3 * np.mean(lived.returns[:20])
    assert lived.agent.lr == pytest.approx(0.1 * cartpole.Preset.lr)
    preset = cartpole.Preset(n_neurons=20, episodes=5)
    monkeypatch.setattr(cartpole, "Preset", lambda: preset)
    out = tmp_path / "figure.svg"
    assert main(["demo", "cartpole", "--out", str(out)]) == 0
    assert "steps on average" in capsys.readouterr().out and out.stat().st_size > 5_000


def write_sound(path, n_channels=1, n_bytes=2):
    with wave.open(str(path), "wb") as file:
        file.setparams((n_channels, n_bytes, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600 * n_channels * n_bytes))
    return path


@pytest.mark.parametrize(
    ("options", "got"),
    [({"n_channels": 2}, "2 channels of 16 bits"), ({"n_bytes": 1}, "1 channels of 8 bits")],
)
def test_words_are_mono_of_16_bits(options, got, tmp_path):
    path = write_sound(tmp_path / "0_ann_1.wav", **options)
    with pytest.raises(ValueError, match=re.escape(f"{path}: expected mono of 16 bits, got {got}")):
        spoken_digits.load(tmp_path)


def test_words_are_named_by_digit_and_speaker(tmp_path):
    write_sound(tmp_path / "hello.wav")
    with pytest.raises(ValueError, match=r"hello.wav: expected a name like 0_jackson_5.wav"):
        spoken_digits.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("mnist-rows", "a.npz", {"X": np.zeros(3)}, "expected arrays images and labels, got no images"),
        (
            "mnist-rows",
            "a.npz",
            {"images": np.zeros(3), "labels": np.zeros(3)},
            r"expected images \(n, 28, 28\)",
        ),
        (
            "mnist-rows",
            "a.npz",
            b"PK",
            "expected an .npz, arrays of numbers or text called images, labels, got",
        ),
        ("elec2", "a.csv", b"a,b\n1,2\n", "expected a column class, got a, b"),
        ("elec2", "a.csv", b"a,class\nx,2\n", "expected numbers beside class, got could not"),
        ("elec2", "a.csv", b"a,class\n1\n", "expected 2 entries, got 1"),
        ("elec2", "a.csv", b'a,class\n1,"' + b"0" * 140_000 + b'"\n', "expected a .csv, got field larger"),
        ("spoken-digits", "0_ann_1.wav", b"RIFF", "expected a .wav file of integers, got its end"),
        ("ecg", "QTDB_train.mat", b"MATLAB", "expected a .mat file"),
    ],
)
def test_other_files_are_named_in_one_line(name, file, text, message, tmp_path, capsys):
    if isinstance(text, dict):
        np.savez(tmp_path / file, **text)
    else:
        (tmp_path / file).write_bytes(text)
    path = tmp_path / file if name in ("mnist-rows", "elec2") else tmp_path
    assert main(["demo", name, "--data", str(path), "--out", str(tmp_path / "a.png")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"eprop demo: {tmp_path / file}") and re.search(message, line)


def test_heartbeats_are_two_arrays(tmp_path):
    savemat(tmp_path / "QTDB_train.mat", {"x": np.zeros((2, 3, 4))})
    with pytest.raises(ValueError, match=r"QTDB_train.mat: expected an array y \(n, T, 6\), got no y"):
        ecg.load(tmp_path)


def test_a_demo_of_a_recording_asks_for_its_path(capsys):
    assert main(["demo", "ecg"]) != 0
    assert (
        "--data: expected the folder of QTDB_train.mat and QTDB_test.mat, got nothing"
        in capsys.readouterr().err
    )
