"""Files: what is saved goes on with the same bits, any reader finds the weights, and nothing else is taken in."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import TRAINER_STATE, assert_same_bits, snapshot

import eprop
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.optim import SGD, Adam, cosine
from eprop.rl import EpropAgent

RNG = np.random.default_rng(0)
X = (RNG.random((3, 60, 6)) < 0.3).astype(float)
Y = RNG.normal(size=(3, 60, 2))
DTYPES = {"F32": np.float32, "F64": np.float64, "U32": np.uint32, "U64": np.uint64, "BOOL": np.bool_}
ROOT = Path(__file__).parents[1]
KEPT = sorted((ROOT / "rust" / "eprop" / "tests" / "files").glob("*.safetensors"))

TRAINERS = {
    "factored": {},
    "factored, n = 5": {"update_every": 5, "readout_bias": True},
    "textbook": {"update_every": 2, "optimizer": "adam", "lr": 0.01},
    "block": {"update_every": "sequence", "c_reg": 0.1},
    "horizon": {"update_every": "sequence", "horizon": "sequence", "recurrent_gain": 0.5},
    "batch": {"batch_size": 3, "update_every": 20, "optimizer": Adam(beta1=0.8), "reduction": "mean"},
    "neurons": {"tau_mem": np.linspace(5, 30, 8), "threshold": np.linspace(0.8, 1.2, 8), "delay": 3, "tau_syn": 4.0},
    "adaptive": {"beta": np.linspace(0, 0.3, 8), "feedback": "adaptive", "feedback_decay": 0.01},
    "rates": {"lr_in": 0.0, "lr_out": 0.02, "clip_norm": 1.0, "w_max": 2.0, "optimizer": "momentum"},
    "auto": {"optimizer": "auto", "loss": "cross_entropy", "n_ref": 2, "reset_mechanism": "zero"},
}  # fmt: skip


def targets(trainer):
    return np.eye(2)[(Y[..., 0] > 0).astype(int)] if trainer.loss == "cross_entropy" else Y


def train(trainer, reset=False):
    b = getattr(trainer, "batch_size", 1)
    x, y = (X[0], targets(trainer)[0]) if b == 1 else (X[:b], targets(trainer)[:b])
    return trainer.train_sequence(x, y, reset=reset)


def busy(options, dtype="float32"):
    """With a gradient that waits, in the middle of a block, and a rate that is not the first."""
    trainer = EpropTrainer(6, 8, 2, seed=3, dtype=dtype, **options)
    trainer.W_in = 3 * trainer.W_in
    trainer.lr = 0.004
    train(trainer)
    x = X[:, 0] if trainer.batch_size > 1 else X[0, 0]
    y = targets(trainer)[:, 0] if trainer.batch_size > 1 else targets(trainer)[0, 0]
    for _ in range(13):
        trainer.step(x, y)
    return trainer


def header(data):
    (n,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + n]), 8 + n


def arrays(data):
    """What any reader of the format finds."""
    infos, start = header(data)
    infos.pop("__metadata__")
    read = {}
    for name, info in infos.items():
        first, last = (start + at for at in info["data_offsets"])
        read[name] = np.frombuffer(data[first:last], DTYPES[info["dtype"]]).reshape(info["shape"])
    return read


def sealed(data, change):
    """A file with another header, and the sum that belongs to it."""
    infos, start = header(data)
    told = json.loads(infos["__metadata__"]["eprop"])
    told["crc32"] = "00000000"
    change(infos, told)
    infos["__metadata__"]["eprop"] = json.dumps(told, separators=(",", ":"))
    text = json.dumps(infos, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + data[start:]
    digits = f"{zlib.crc32(whole):08x}".encode()
    return whole.replace(rb"\"crc32\":\"00000000", rb"\"crc32\":\"" + digits, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TRAINERS)
def test_what_is_loaded_goes_on_as_if_it_had_never_stopped(tmp_path, name, dtype):
    trainer = busy(TRAINERS[name], dtype)
    path = tmp_path / "trainer.safetensors"
    trainer.save(path)
    twins = [EpropTrainer.load(path), eprop.load(str(path)), EpropTrainer.from_bytes(trainer.to_bytes())]
    assert path.read_bytes() == trainer.to_bytes()
    for twin in twins:
        assert twin == trainer and twin.state_equal(trainer)
        assert repr(twin) == repr(trainer) and twin.lr == 0.004
        assert_same_bits(snapshot(twin), snapshot(trainer), name)
    losses = [train(one) for one in [trainer, *twins]]
    assert len(set(losses)) == 1
    for twin in twins:
        assert twin.state_equal(trainer)
        assert_same_bits(snapshot(twin), snapshot(trainer), name)
    assert os.listdir(tmp_path) == ["trainer.safetensors"], "no temporary file is left"


@pytest.mark.parametrize("tau_mem", [10.0, (10.0, 40.0)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_stacks_and_layers_go_on_too(tmp_path, batch_size, tau_mem):
    options = {"update_every": 7, "optimizer": "adam", "tau_mem": tau_mem}
    stack = OnlineTrainer([6, 9, 2], batch_size=batch_size, **options)
    layer = OnlineLIFLayer(6, 4, threshold=[1.0, 0.5, 0.8, 2.0], optimizer=SGD(weight_decay=0.1))
    train(stack)
    layer.step(X[0, 0])
    for one in (stack, layer):
        one.save(tmp_path / "one")
        twin = eprop.load(tmp_path / "one")
        assert type(twin) is type(one) and twin == one and twin.state_equal(one)
        for each in (one, twin):
            if each is not layer and isinstance(each, OnlineTrainer):
                train(each)
            else:
                each.apply_learning_signal([1.0, -1.0, 0.5, 0.0])
                each.step(X[0, 1])
        assert twin.state_equal(one)


def test_any_reader_finds_the_weights_under_their_names():
    trainer = busy({"feedback": "random", "readout_bias": True})
    found = arrays(trainer.to_bytes())
    for name in ("W_in", "W_rec", "W_out", "b", "B"):
        assert_same_bits({name: found[name]}, {name: getattr(trainer, name)})
    np.testing.assert_array_equal(found["state.layer.neuron.v"][:8], trainer.v)
    assert found["state.updates"] == trainer.n_updates
    stack = OnlineTrainer([6, 9, 2])
    found = arrays(stack.to_bytes())
    for layer, view in enumerate(stack.layers):
        np.testing.assert_array_equal(found[f"layers.{layer}.W"], view.W)


def test_the_metadata_say_what_it_is_and_sum_all_bytes():
    trainer = EpropTrainer(6, 8, 2, seed=2**64 - 1, tau_mem=0.1 + 0.2)
    data = trainer.to_bytes()
    told = json.loads(header(data)[0]["__metadata__"]["eprop"])
    assert (told["schema"], told["class"], told["dtype"], told["sizes"]) == (
        1,
        "EpropTrainer",
        "float32",
        [6, 8, 2],
    )
    assert told["version"] == eprop.__version__
    assert (told["config"]["seed"], told["config"]["tau_mem"]) == (2**64 - 1, 0.1 + 0.2)
    digits = told["crc32"].encode()
    assert f"{zlib.crc32(data.replace(digits, b'00000000', 1)):08x}".encode() == digits
    assert sealed(data, lambda infos, told: None) == data


def test_a_schedule_is_a_function_of_the_count_of_updates_which_the_file_has():
    whole = EpropTrainer(6, 8, 2, optimizer="adam", update_every="sequence")
    schedule = cosine(0.01, 20)
    for at in range(10):
        if at == 6:
            whole = EpropTrainer.from_bytes(whole.to_bytes())
        whole.lr = schedule(whole.n_updates)
        train(whole, reset=True)
    other = EpropTrainer(6, 8, 2, optimizer="adam", update_every="sequence")
    for at in range(10):
        other.lr = schedule(at)
        train(other, reset=True)
    assert whole.state_equal(other)


def test_every_damage_is_an_error_that_says_what_was_expected(tmp_path):
    trainer = EpropTrainer(3, 4, 1)
    data, path = trainer.to_bytes(), tmp_path / "file"
    rng = random.Random(5)
    damaged = [data[:n] for n in (0, 1, 7, 8, 100, len(data) - 1)] + [
        data + b"\0",
        b"\0" * 64,
        b"PK\3\4" * 99,
    ]
    for at in rng.sample(range(len(data)), 400):
        damaged.append(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
    for bad in damaged:
        with pytest.raises(ValueError, match=r"^saved bytes: expected .+, got .+"):
            EpropTrainer.from_bytes(bad)
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"^saved bytes: expected .+, got .*\(.*file\)$"):
            eprop.load(path)


def foreign(data):
    text = b'{"W_in":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}       '
    return struct.pack("<Q", len(text)) + text + b"\0" * 4


HOSTILE = {
    "of another program": (foreign, "the key \"eprop\" .* got none: a safetensors file of another program"),
    "of the future": (
        lambda data: sealed(data, lambda infos, told: told.update(schema=2, version="9.1")),
        "a file of schema 1, .*, got one of schema 2",
    ),
    "of another class": (
        lambda data: OnlineTrainer([3, 2]).to_bytes(), "EpropTrainer in float32, got OnlineTrainer in float32"
    ),
    "of an unknown class": (
        lambda data: sealed(data, lambda infos, told: told.update({"class": "Transformer"})), "got Transformer in float32"
    ),
    "with larger sizes": (
        lambda data: sealed(data, lambda infos, told: told.update(sizes=[3, 2**40, 1])), "sizes"
    ),
    "with many streams": (
        lambda data: sealed(data, lambda infos, told: told["config"].update(batch_size=10**9)), "sizes"
    ),
    "with a long delay": (
        lambda data: sealed(data, lambda infos, told: told["config"].update(delay=10**12)), "sizes"
    ),
    "with a size of none": (
        lambda data: sealed(data, lambda infos, told: told.update(sizes=[0, 4, 1])), "n_inputs: expected a size >= 1"
    ),
    "with a bad setting": (
        lambda data: sealed(data, lambda infos, told: told["config"].update(tau_mem=-1.0)), "tau_mem: expected"
    ),
    "with an unknown setting": (
        lambda data: sealed(data, lambda infos, told: told["config"].update(warp=9)), "unknown field `warp`"
    ),
    "of another configuration": (
        lambda data: sealed(data, lambda infos, told: told["config"].update(update_every="sequence")), "an array `state"
    ),
    "without an array": (
        lambda data: sealed(data, lambda infos, told: infos.update({"W_ni": infos.pop("W_in")})), "an array `W_in`"
    ),
    "with another shape": (
        lambda data: sealed(data, lambda infos, told: infos["W_in"].update(shape=[3, 4])), "`W_in` of F32 and shape"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_files_of_another_kind_are_refused_by_name(kind):
    make, match = HOSTILE[kind]
    bad = make(EpropTrainer(3, 4, 1).to_bytes())
    with pytest.raises(ValueError, match=match):
        EpropTrainer.from_bytes(bad)


def test_what_is_no_file_or_no_bytes_is_said(tmp_path):
    trainer = EpropTrainer(3, 4, 1)
    for call in (EpropTrainer.load, eprop.load):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            call(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: .*nowhere"):
        trainer.save(tmp_path / "nowhere" / "file")
    with pytest.raises(TypeError, match="data: expected bytes"):
        EpropTrainer.from_bytes(5)
    assert EpropTrainer.from_bytes(memoryview(trainer.to_bytes())).state_equal(trainer)


def test_a_link_is_kept_and_the_file_behind_it_replaced(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    link.symlink_to(file)
    trainer = EpropTrainer(3, 4, 1)
    trainer.save(link)
    assert link.is_symlink() and file.read_bytes() == trainer.to_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path):
    """Many writers, each killed some time after it has begun: the file is the one or the other, to the bit."""
    old, new = (EpropTrainer(20, 60, 2, seed=seed) for seed in (1, 2))
    path, rng = tmp_path / "file", random.Random(1)
    begun = time.monotonic()
    old.save(path)
    # Long enough for one or two to be written, whatever the disk.
    longest = min(0.05, 4 * (time.monotonic() - begun))
    writers = subprocess.Popen(
        [sys.executable, "-c", SAVING, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    whole, seen = {old.to_bytes(), new.to_bytes()}, set()
    with writers:
        # 200 times, and then until both have been seen: a machine that is busy may let no writer end for a while.
        for attempt in range(2_000):
            if attempt >= 200 and seen == whole:
                break
            writer = int(writers.stdout.readline())
            time.sleep(rng.uniform(0.0, longest))
            os.kill(writer, signal.SIGKILL)
            writers.stdin.write("\n")
            seen.add(path.read_bytes())
        writers.kill()
    assert seen == whole, "the old file and the new one, and never another"


# One interpreter forks a writer after the other: to start 200 of them would take a minute.
SAVING = """
import os, sys, eprop
old, new = (eprop.EpropTrainer(20, 60, 2, seed=seed) for seed in (1, 2))
while True:
    child = os.fork()
    if child == 0:
        while True:
            new.save(sys.argv[1])
            old.save(sys.argv[1])
    print(child, flush=True)
    if not sys.stdin.readline():
        break
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not KEPT, reason="tests without their repository")
@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_files_of_every_schema_load(path):
    """Written by Python or by Rust: the weights that a reader finds are those of the trainer, and it goes on."""
    trainer, found = eprop.load(path), arrays(path.read_bytes())
    if isinstance(trainer, EpropTrainer):
        for name in TRAINER_STATE[:5]:
            np.testing.assert_allclose(getattr(trainer, name), found[name], rtol=1e-6, atol=1e-7)
        before = trainer.n_updates
        trainer.step(np.ones(trainer.n_inputs), np.zeros(trainer.n_outputs))
        trainer.update()
        assert trainer.n_updates > before > 0
        assert np.isfinite(trainer.W_rec).all() and np.abs(trainer.e_bar).max() > 0
    elif isinstance(trainer, OnlineTrainer):
        np.testing.assert_allclose(trainer.layers[0].W, found["layers.0.W"], rtol=1e-6)
        trainer.step(np.ones(3), [0.0, 1.0])
    elif isinstance(trainer, EpropAgent):
        np.testing.assert_allclose(trainer.W_out, found["W_out"], rtol=1e-6)
        assert trainer.n_updates == 1 and trainer.act(np.ones(3)) in (0, 1)
        assert np.abs(trainer.e_bar).max() > 0
    else:
        np.testing.assert_allclose(trainer.W, found["W"], rtol=1e-6)
        trainer.step(np.ones(3))
    assert eprop.load(path) == trainer
