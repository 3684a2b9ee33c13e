"""The command line: what its page shows, what it refuses and with which code, and that a stopped run goes on to the bit."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import wave
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import eprop
from eprop import cli
from eprop.cli import _audio, _bar, _data, _info, _run, _train
from eprop.cli._config import Config, DataConfig

PAGE = Path(__file__).parents[1] / "docs/cli.md"
CONFIG = """
[data]
train = "data.npz"
[training]
epochs = 3
[trainer]
n_neurons = 20
"""


def waves(seed, n=60, n_steps=30):
    """Slow and fast waves of two features, 0 and 1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    phase = np.arange(n_steps) * np.where(y == 1, 0.6, 0.3)[:, None] + rng.uniform(0, 6, (n, 1))
    return np.stack([np.sin(phase), np.cos(phase)], axis=2) + 0.1 * rng.normal(size=(n, n_steps, 2)), y


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with data and a configuration, in which commands run."""
    monkeypatch.chdir(tmp_path)
    X, y = waves(0)
    np.savez("data.npz", X=X, y=y)
    Path("config.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def told(capsys, *arguments, code=0):
    """The JSON of a command."""
    assert cli.main([*map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments, code):
    """What a command says on stderr that ends with this code."""
    try:
        ended = cli.main(list(map(str, arguments)))
    except SystemExit as left:
        ended = left.code
    assert ended == code
    return capsys.readouterr().err


def table(path):
    """The rows of a CSV."""
    return list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))


def configure(text):
    Path("config.toml").write_text(text, encoding="utf-8")


# What users see first


def test_the_console_script_is_installed():
    (script,) = entry_points(group="console_scripts", name="eprop")
    assert script.load() is cli.main


@pytest.mark.skipif(not PAGE.exists(), reason="tests without their repository")
def test_every_command_of_the_page_runs_in_its_order(tmp_path, monkeypatch):
    page = PAGE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)), {})
    (config,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    configure(config)
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL) for line in block.splitlines()
    ]
    assert {command.split()[1] for command in commands} == set(cli.COMMANDS)
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "eprop"
        assert cli.main(arguments) == 0, command
    assert len(table("answers.csv")) == 1 + 40
    assert Path("network.nir").stat().st_size > 1000


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_examples_of_help_are_commands(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    (example,) = re.findall(r"example: (eprop .*)$", text)
    parsed = cli._parser().parse_args(shlex.split(example)[1:])
    assert parsed.command == command


def test_demo_keeps_what_is_said_off_the_json(monkeypatch, capsys):
    monkeypatch.setitem(cli.demo.TASKS, "digits", lambda *_: print("learning"))
    assert cli.main(["demo", "digits", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "learning\n"
    assert json.loads(printed.out)["figure"] == "eprop-digits.png"
    assert told(capsys, "demo") == cli.demo.WHAT


def test_version_and_info(capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"eprop {eprop.__version__}\n"
    assert told(capsys, "info")["numpy"] == np.__version__
    assert cli.main(["info"]) == 0
    assert f"threads          {_info.threads()}" in capsys.readouterr().out
    monkeypatch.setenv("EPROP_NUM_THREADS", "3")
    assert told(capsys, "info")["threads"] == 3


@pytest.mark.parametrize("forced", ["", "portable"])
def test_the_instruction_set_is_that_of_the_processor_or_the_one_that_is_forced(forced):
    cpus = Path("/proc/cpuinfo")
    if not cpus.exists():
        pytest.skip("no other word on what the processor has")
    found = {"avx2", "fma"} <= set(cpus.read_text(encoding="utf-8").split())
    # The path is chosen once in a process.
    command = [sys.executable, "-m", "eprop.cli", "info", "--json"]
    run = subprocess.run(
        command, env={**os.environ, "EPROP_ISA": forced}, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout)["instruction_set"] == ("avx2" if found and not forced else "portable")


# A run


def test_it_learns_scores_and_answers(folder, capsys):
    X, y = waves(1)
    np.savez("test.npz", X=X, y=y)
    configure(
        CONFIG.replace('"data.npz"', '"data.npz"\ntest = "test.npz"\nvalidation = 0.25').replace(
            "= 3", "= 25"
        )
    )
    came = told(capsys, "train", "config.toml")
    assert came["epochs"] == 25
    assert min(came["test"], came["validation"]) >= 0.9
    answered = told(capsys, "predict", "run", "test.npz")
    assert answered["value"] == came["test"] == np.mean(np.array(answered["answers"]) == y)
    # Nobody needs the rest of the run to go on with its trainer.
    assert eprop.load("run/trainer.safetensors").n_inputs == 2
    assert cli.main(["predict", "run", "test.npz"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == ["sequence,answer", f"0,{answered['answers'][0]}"]
    assert printed.err == f"accuracy {came['test']:.4g}\n"


def test_regression_in_units_of_the_targets(folder, capsys):
    X, y = waves(0)
    np.savez("data.npz", X=X, y=1000.0 + 50.0 * y)
    configure('task = "regress"\n' + CONFIG.replace("= 3", "= 30"))
    told(capsys, "train", "config.toml")
    answered = told(capsys, "predict", "run", "data.npz")
    assert answered["score"] == "rmse"
    assert answered["value"] < 20.0  # the mean alone is 25 off
    assert np.std(np.array(answered["answers"])) > 10.0


def test_targets_of_steps(folder, capsys):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.choice([-1.0, 1.0], size=(40, 2, 2)), 15, axis=1)
    labels = (X[:, :, 0] > 0).astype(int)
    labels[:, :5] = -1  # no label
    lengths = rng.integers(20, 31, size=40)
    np.savez("data.npz", X=X, y=labels, lengths=lengths)
    configure(CONFIG.replace('"data.npz"', '"data.npz"\nper_step = true').replace("= 3", "= 20"))
    told(capsys, "train", "config.toml")
    answered = told(capsys, "predict", "run", "data.npz")
    assert [len(row) for row in answered["answers"]] == lengths.tolist()
    assert set(np.concatenate(answered["answers"])) == {0, 1}
    assert answered["value"] > 0.8
    assert cli.main(["predict", "run", "data.npz", "--out", "answers.csv"]) == 0
    rows = table("answers.csv")
    assert rows[0] == ["sequence", "step", "answer"] and len(rows) == 1 + lengths.sum()


def test_the_same_configuration_gives_the_same_bits(folder, capsys):
    for out in ("one", "two"):
        told(capsys, "train", "config.toml", "--out", out)
    one, two = (eprop.load(f"{out}/trainer.safetensors") for out in ("one", "two"))
    assert one.state_equal(two)


def test_plan_is_that_of_the_trainer(folder, capsys):
    planned = told(capsys, "plan", "config.toml")
    told(capsys, "train", "config.toml")
    trainer = eprop.load("run/trainer.safetensors")
    assert (planned["n_inputs"], planned["n_outputs"], planned["batch_size"]) == (2, 2, trainer.batch_size)
    assert planned["engine"] == trainer.engine
    # A file is loaded with what the run has allocated besides; a new trainer has what was planned.
    fresh = eprop.EpropTrainer(**{name: getattr(trainer, name) for name in trainer._names()})
    assert planned["bytes"] == fresh.memory_bytes
    assert cli.main(["plan", "config.toml"]) == 0
    assert trainer.engine in capsys.readouterr().out


def test_plan_needs_no_data_if_it_knows_the_sizes(folder, capsys):
    Path("data.npz").unlink()
    configure(CONFIG + "n_inputs = 700\nn_outputs = 20\n")
    assert told(capsys, "plan", "config.toml")["n_inputs"] == 700


def test_export_is_the_graph_of_the_trainer(folder, capsys):
    nir = pytest.importorskip("nir")
    told(capsys, "train", "config.toml")
    assert "reset_mechanism" in refused(capsys, "export", "run", "--nir", "a.nir", code=1)
    assert not Path("a.nir").exists()
    with pytest.warns(eprop.ConversionWarning):
        told(capsys, "export", "run", "--nir", "a.nir", "--approximate")
    trainer = eprop.load("run/trainer.safetensors")
    np.testing.assert_array_equal(nir.read("a.nir").nodes["w_in"].weight, trainer.W_in)
    with pytest.warns(eprop.ConversionWarning):
        told(capsys, "export", "run/trainer.safetensors", "--nir", "b.nir", "--approximate")
    assert Path("b.nir").exists()


def test_export_is_for_the_library_that_is_named(folder, capsys):
    nir = pytest.importorskip("nir")
    from eprop.nir import to_nir

    told(capsys, "train", "config.toml")
    trainer = eprop.load("run/trainer.safetensors")
    options = ["export", "run", "--nir", "a.nir", "--approximate", "--library"]
    for library in ("norse", "snntorch", "spikingjelly"):
        with pytest.warns(eprop.ConversionWarning):
            assert told(capsys, *options, library)["library"] == library
        with pytest.warns(eprop.ConversionWarning):
            graph = to_nir(trainer, library=library, approximate=True)
        np.testing.assert_array_equal(nir.read("a.nir").nodes["w_in"].weight, graph.nodes["w_in"].weight)
    assert "NEST" in refused(capsys, *options, "NEST", code=2)


def train_rmse(y, **arrays):
    """A regression of these targets, in a run."""
    np.savez("data.npz", X=np.random.default_rng(0).normal(size=(len(y), 4, 2)), y=y, **arrays)
    configure('task = "regress"\n' + CONFIG)


def test_columns_of_several_answers_have_names(folder, capsys):
    pandas = pytest.importorskip("pandas")
    train_rmse(np.random.default_rng(1).normal(size=(20, 3)))
    told(capsys, "train", "config.toml")
    answers = told(capsys, "predict", "run", "data.npz")["answers"]
    assert cli.main(["predict", "run", "data.npz", "--out", "answers.csv"]) == 0
    read = pandas.read_csv("answers.csv")
    assert read.columns.tolist() == ["sequence", "answer_0", "answer_1", "answer_2"]
    assert read["sequence"].tolist() == list(range(20))
    np.testing.assert_allclose(read[["answer_0", "answer_1", "answer_2"]], answers)


def test_columns_of_several_answers_of_steps_have_names(folder, capsys):
    train_rmse(np.random.default_rng(1).normal(size=(20, 4, 2)))
    configure('task = "regress"\n' + CONFIG.replace('"data.npz"', '"data.npz"\nper_step = true\nn_steps = 1'))
    told(capsys, "train", "config.toml")
    assert cli.main(["predict", "run", "data.npz", "--out", "answers.csv"]) == 0
    rows = table("answers.csv")
    assert rows[0] == ["sequence", "step", "answer_0", "answer_1"] and len(rows) == 1 + 20 * 4


def test_the_loss_is_the_mean_of_a_sequence_whatever_its_repeats(folder, capsys):
    """Without learning and noise it is the cross-entropy of what the network says."""
    y = np.arange(40) % 2
    np.savez("data.npz", X=np.random.default_rng(0).normal(size=(40, 2)), y=y)
    configure(CONFIG.replace("epochs = 3", "epochs = 1\nnoise = 0.0") + "lr = 0.0\n")
    came = told(capsys, "train", "config.toml")
    network, _ = _run.load_run(Path("run"))
    assert network.n_repeats == 20
    inputs, lengths = network.present(_data.read_data(Path("data.npz"), DataConfig("")).X)
    outputs = network.trainer.evaluate(inputs, lengths=lengths)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=2, keepdims=True)
    losses = -np.log(shares[np.arange(40), :, y]).mean(axis=1)  # over the 20 repeats of the one step
    assert came["loss"] == pytest.approx(losses.mean(), rel=1e-4)


class NotANumber:
    """A command that has no number to say."""

    @staticmethod
    def run(options):
        return {"loss": np.nan, "rows": [1.0, (np.inf,)], "name": "a"}


def test_what_is_no_number_is_null_in_json(monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "info", type("", (), dict(vars(_info))))
    cli.COMMANDS["info"].run = NotANumber.run
    assert told(capsys, "info") == {"loss": None, "rows": [1.0, [None]], "name": "a"}


@pytest.mark.skipif(os.name == "nt", reason="a signal that only POSIX has")
@pytest.mark.parametrize("options", ["", " --json"])
def test_a_reader_who_leaves_ends_it_quietly(options, folder, capsys):
    np.savez("data.npz", X=np.random.default_rng(0).normal(size=(3000, 3)), y=np.arange(3000) % 2)
    configure(CONFIG.replace("epochs = 3", "epochs = 1"))
    told(capsys, "train", "config.toml")
    program = f"{shlex.quote(sys.executable)} -m eprop.cli predict run data.npz{options}"
    shell = f"{{ {program}; echo $? >code; }} | true"
    run = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60)
    assert Path("code").read_text(encoding="utf-8") == "141\n"
    assert run.stderr == ""


# Ctrl-C


# As `eprop train`, but that the 37th batch waits for Ctrl-C.
WAITING = """
import signal, sys, time, eprop
from eprop import cli

learn, calls = eprop.EpropTrainer.train_sequence, []

def waiting(self, *arguments, **options):
    calls.append(1)
    handler = signal.getsignal(signal.SIGINT)
    if len(calls) == 37:
        print("waiting", flush=True)
        while signal.getsignal(signal.SIGINT) is handler:
            time.sleep(0.01)
    return learn(self, *arguments, **options)

eprop.EpropTrainer.train_sequence = waiting
sys.exit(cli.main(["train", "config.toml", "--epochs", "8"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="a signal that only POSIX sends")
def test_ctrl_c_leaves_a_checkpoint_that_goes_on_to_the_bit(folder, capsys):
    told(capsys, "train", "config.toml", "--out", "whole", "--epochs", "8")
    command = [sys.executable, "-c", WAITING]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = iter(child.stdout.readline, "")
    assert "waiting\n" in lines
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 130, error
    assert error == "eprop train: stopped in pass 4 of 8, with a checkpoint in run; --resume goes on\n"
    progress = json.loads(Path("run/run.json").read_text(encoding="utf-8"))["progress"]
    assert (progress["epoch"], progress["batch"]) == (3, 7)
    # Where it stands already answers.
    assert len(told(capsys, "predict", "run", "data.npz")["answers"]) == 60
    came = told(capsys, "train", "config.toml", "--epochs", "8", "--resume")
    assert came["epochs"] == 8
    whole, stopped = (eprop.load(f"{out}/trainer.safetensors") for out in ("whole", "run"))
    assert stopped.state_equal(whole)
    assert [path.name for path in sorted(Path("run").iterdir())] == ["run.json", "trainer.safetensors"]


def test_a_stop_in_the_middle_of_a_pass_goes_on_to_the_bit(folder, capsys, monkeypatch):
    whole = told(capsys, "train", "config.toml", "--out", "whole")
    learn, calls, handler = eprop.EpropTrainer.train_sequence, [], signal.getsignal(signal.SIGINT)

    def stopped(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 14:  # ten batches are a pass
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments, **options)

    monkeypatch.setattr(eprop.EpropTrainer, "train_sequence", stopped)
    assert "stopped in pass 2 of 3" in refused(capsys, "train", "config.toml", code=130)
    assert signal.getsignal(signal.SIGINT) is handler
    progress = json.loads(Path("run/run.json").read_text(encoding="utf-8"))["progress"]
    assert (progress["epoch"], progress["batch"], len(calls)) == (1, 4, 14)
    assert told(capsys, "train", "config.toml", "--resume")["loss"] == whole["loss"]
    assert eprop.load("run/trainer.safetensors").state_equal(eprop.load("whole/trainer.safetensors"))


def test_checkpoints_are_written_on_the_way(folder, capsys, monkeypatch):
    """A run that is killed goes on from the last one, to the bit."""
    whole = told(capsys, "train", "config.toml", "--out", "whole")
    monkeypatch.setattr(_train, "_EVERY", 0.0)
    monkeypatch.setattr(_train, "save_run", killed_after(17, _train.save_run))
    with pytest.raises(SystemExit):
        cli.main(["train", "config.toml", "--json"])
    progress = json.loads(Path("run/run.json").read_text(encoding="utf-8"))["progress"]
    assert (progress["epoch"], progress["batch"]) == (1, 7)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert told(capsys, "train", "config.toml", "--resume")["loss"] == whole["loss"]
    assert eprop.load("run/trainer.safetensors").state_equal(eprop.load("whole/trainer.safetensors"))


def killed_after(n, save):
    """The same function, which ends the process with its n-th call."""
    calls = []

    def saving(*arguments):
        save(*arguments)
        calls.append(1)
        if len(calls) == n:
            raise SystemExit

    return saving


def test_a_failed_write_leaves_the_old_run(folder, capsys, monkeypatch):
    told(capsys, "train", "config.toml")
    before = eprop.load("run/trainer.safetensors")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(_run.os, "replace", broken)
    assert "disk full" in refused(capsys, "train", "config.toml", "--resume", "--epochs", "5", code=1)
    network, progress = _run.load_run(Path("run"))
    assert progress.epoch == 3 and network.trainer.state_equal(before)


def test_fewer_passes_than_are_done_are_refused(folder, capsys, monkeypatch):
    monkeypatch.setattr(_train, "_EVERY", 0.0)
    monkeypatch.setattr(_train, "save_run", killed_after(24, _train.save_run))
    with pytest.raises(SystemExit):
        cli.main(["train", "config.toml", "--json"])
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert "checkpoint-2-4.safetensors" in before
    error = refused(capsys, "train", "config.toml", "--resume", "--epochs", "2", code=2)
    assert "[training] epochs: expected at least 3, since the run in run is that far, got 2" in error
    assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == before


def test_a_run_that_was_stopped_after_a_pass_can_end_there(folder, capsys, monkeypatch):
    monkeypatch.setattr(_train, "_EVERY", 0.0)
    monkeypatch.setattr(_train, "save_run", killed_after(20, _train.save_run))
    with pytest.raises(SystemExit):
        cli.main(["train", "config.toml", "--json"])
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert told(capsys, "train", "config.toml", "--resume", "--epochs", "2")["epochs"] == 2
    assert [path.name for path in sorted(Path("run").iterdir())] == ["run.json", "trainer.safetensors"]


# Files


def test_csv_of_rows_and_of_sequences(folder, capsys):
    X, y = waves(0)
    with Path("rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "a", "b", "wave"])
        for n, rows in enumerate(X):
            writer.writerows([f"t{n}", *row, ["slow", "fast"][y[n]]] for row in rows[: 30 - n % 3])
    settings = DataConfig("", target="wave", sequence="trial")
    data = _data.read_data(Path("rows.csv"), settings)
    assert data.names[:2] == ["t0", "t1"] and data.lengths[:4].tolist() == [30, 29, 28, 30]
    np.testing.assert_array_equal(data.X[3], X[3])
    assert data.y.tolist() == np.array(["slow", "fast"])[y].tolist()
    configure(
        CONFIG.replace('"data.npz"', '"rows.csv"\ntarget = "wave"\nsequence = "trial"').replace("= 3", "= 20")
    )
    told(capsys, "train", "config.toml")
    answered = told(capsys, "predict", "run", "rows.csv")
    assert answered["value"] > 0.9 and set(answered["answers"]) == {"slow", "fast"}


def test_rows_without_sequences_are_shown_for_some_steps(folder, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=100)
    lines = ["x,y,label"] + [
        f"{a + 2 * k},{b},{k}" for (a, b), k in zip(rng.normal(size=(100, 2)), labels, strict=True)
    ]
    Path("rows.csv").write_text("\n".join(lines), encoding="utf-8")
    configure(CONFIG.replace("data.npz", "rows.csv").replace("= 3", "= 20"))
    told(capsys, "train", "config.toml")
    assert json.loads(Path("run/run.json").read_text(encoding="utf-8"))["n_repeats"] == 20
    assert told(capsys, "predict", "run", "rows.csv")["value"] > 0.7


def write_wav(path, samples, rate=8000, n_bytes=2, n_channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    words = np.round(samples * (2.0 ** (8 * n_bytes - 1) - 1)).astype("<i4")
    data = (
        (words + 128).astype(np.uint8) if n_bytes == 1 else words.view(np.uint8).reshape(-1, 4)[:, :n_bytes]
    )
    with wave.open(str(path), "wb") as file:
        file.setparams((n_channels, n_bytes, rate, 0, "NONE", "not compressed"))
        file.writeframes(data.tobytes())


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 4])
def test_wav_of_every_width(n_bytes, tmp_path):
    samples = 0.8 * np.sin(np.arange(1000) / 10)
    write_wav(tmp_path / "a.wav", samples, n_bytes=n_bytes)
    read, rate = _audio.read_wav(tmp_path / "a.wav")
    assert rate == 8000
    np.testing.assert_allclose(read, samples, atol=2.0 ** (2 - 8 * n_bytes) + 1e-9)


def test_channels_are_averaged(tmp_path):
    left, right = np.full(100, 0.5), np.full(100, -0.25)
    write_wav(tmp_path / "a.wav", np.stack([left, right], axis=1).ravel(), n_channels=2)
    np.testing.assert_allclose(_audio.read_wav(tmp_path / "a.wav")[0], 0.125, atol=1e-4)


def test_a_tone_is_in_the_band_of_its_frequency():
    """Band k has its centre at k + 1 of n + 1 equal parts of the mel scale."""
    seconds = np.arange(8000) / 8000
    gated = np.where(seconds < 0.5, 1.0, 0.0) * np.sin(2 * np.pi * 1000 * seconds)
    bands = _audio.log_mel(gated, 8000, 20)
    part = 2595 * np.log10(1 + 1000 / 700) / (2595 * np.log10(1 + 4000 / 700) / 21)
    assert abs(bands[5].argmax() - (part - 1)) <= 0.5


def test_a_folder_of_recordings(folder, capsys):
    rng = np.random.default_rng(0)
    for name, (start, stop) in {"rise": (300, 900), "fall": (900, 300)}.items():
        for take in range(15):
            n = int(rng.integers(3000, 4000))
            phase = 2 * np.pi * np.cumsum(np.linspace(start, stop, n)) / 8000
            sound = 0.5 * np.sin(phase) + 0.05 * rng.normal(size=n)
            write_wav(Path("sounds") / name / f"{take}.wav", sound)
    configure(CONFIG.replace("data.npz", "sounds").replace("= 3", "= 15"))
    told(capsys, "train", "config.toml")
    answered = told(capsys, "predict", "run", "sounds")
    assert answered["value"] > 0.9
    assert answered["names"][0] == os.path.join("fall", "0.wav")
    unlabelled = told(capsys, "predict", "run", "sounds/rise")
    assert unlabelled["value"] is None and unlabelled["answers"].count("rise") >= 12


# What is refused


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[data]", r"config.toml: \[data\] train: expected the path"),
        ("data = 3", r"data: expected a table \[data\], got 3"),
        ("[data", "expected TOML"),
        (CONFIG + "tau_men = 3", r"\[trainer\] tau_men: expected one of n_inputs"),
        (CONFIG + "tau_mem = -3", r"\[trainer\] tau_mem: expected"),
        (CONFIG + 'tau_mem = "slow"', r"\[trainer\] tau_mem: expected an array of real numbers"),
        (CONFIG + 'dt = "1"', r"\[trainer\] dt: expected a number, got '1'"),
        (CONFIG + 'optimizer = "speed"', r"\[trainer\] optimizer: expected"),
        (CONFIG + "n_inputs = 3", r"\[trainer\] n_inputs: expected 2, as the data have, got 3"),
        (CONFIG.replace("= 3", '= "three"'), r"\[training\] epochs: expected an int, got 'three'"),
        (CONFIG.replace("= 3", "= 0"), r"\[training\] epochs: expected at least 1, got 0"),
        (CONFIG.replace("= 3", "= 3\nnoise = -1.0"), r"\[training\] noise: expected a finite number >= 0"),
        (CONFIG.replace("= 3", '= 3\nschedule = "linear"'), r'"cosine" or "constant", got \'linear\''),
        (CONFIG.replace(".npz\"", '.npz"\nvalidation = 1.0'), r"\[data\] validation: expected a share"),
        ('task = "sort"\n' + CONFIG, "task: expected"),
        ("epochs = 3\n" + CONFIG, "epochs: expected one of data, training"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_named_and_does_nothing(config, message, folder, capsys):
    configure(config)
    assert re.search(message, refused(capsys, "train", "config.toml", code=2))
    assert not Path("run").exists()


def test_other_refusals_have_their_codes(folder, capsys):
    assert "no-such.toml" in refused(capsys, "train", "no-such.toml", code=2)
    assert "required" in refused(capsys, code=2)
    assert "invalid choice" in refused(capsys, "learn", code=2)
    assert "--epochs" in refused(capsys, "train", "config.toml", "--epochs", "0", code=2)
    assert "eprop train makes one" in refused(capsys, "train", "config.toml", "--resume", code=1)
    told(capsys, "train", "config.toml")
    assert "--resume goes on with it, --force replaces it" in refused(capsys, "train", "config.toml", code=1)
    configure(CONFIG + "tau_mem = 30.0")
    assert "only epochs may change" in refused(capsys, "train", "config.toml", "--resume", code=2)
    np.savez("wide.npz", X=np.zeros((3, 20, 5)))
    assert "expected 2 features, as in training, got 5" in refused(
        capsys, "predict", "run", "wide.npz", code=1
    )
    Path("run/run.json").write_text("{", encoding="utf-8")
    assert "expected JSON that eprop train wrote" in refused(capsys, "predict", "run", "data.npz", code=1)
    Path("run/run.json").write_text('{"schema": 2}', encoding="utf-8")
    assert "expected schema 1, got 2" in refused(capsys, "predict", "run", "data.npz", code=1)


X3 = np.zeros((3, 4, 2))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [0, 1, 0]}, "got no X"),
        ({"X": np.zeros(3), "y": [0, 1, 0]}, r"got shape \(3,\)"),
        ({"X": X3, "y": [0, 1]}, "expected as many y as X, 3, got 2"),
        ({"X": X3}, "expected targets, got none"),
        ({"X": X3, "y": [1, 1, 1]}, "expected at least two labels, got 1"),
        (
            {"X": X3, "y": [[0], [1], [0]]},
            r"data.npz: expected y \(n,\), a label for each .* got shape \(3, 1\)",
        ),
        ({"X": X3, "y": 1}, r"data.npz: expected as many y as X, 3, got a single one, of shape \(\)"),
        (
            {"X": X3[:0], "y": [], "lengths": np.zeros(0, int)},
            r"expected at least one sequence, got X of shape \(0",
        ),
        ({"X": X3, "y": [0.5, 1.5, 1]}, "expected labels, integers or text"),
        ({"X": X3 + np.nan, "y": [0, 1, 0]}, "expected finite numbers in 0, got NaN"),
        ({"X": X3, "y": [0, 1, 0], "lengths": [1, 2, 5]}, "lengths from 1 to 4, got 1 to 5"),
        ({"X": X3, "y": [0, 1, 0], "lengths": [1, 2]}, "expected lengths of integers"),
        ({"X": np.array([None, 1, 2]), "y": [0, 1, 0]}, "expected an .npz, arrays of numbers or text called"),
    ],
)
def test_data_that_do_not_fit_are_named(arrays, message, folder, capsys):
    np.savez("data.npz", **arrays)
    assert re.search(message, refused(capsys, "train", "config.toml", code=1))
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.5, np.nan, 1.0], "expected finite targets, got NaN"),
        (np.zeros((3, 2, 2)), "expected y (n,) or (n, outputs), got shape (3, 2, 2)"),
        (["a", "b", "c"], "expected numbers, since task"),
    ],
)
def test_targets_of_a_regression_are_finite_numbers(y, message, folder, capsys):
    np.savez("data.npz", X=X3, y=y)
    configure('task = "regress"\n' + CONFIG)
    assert message in refused(capsys, "train", "config.toml", code=1)


@pytest.mark.parametrize("n_features", [1, 3])
def test_features_of_a_test_are_those_of_the_network(n_features, folder, capsys):
    np.savez("test.npz", X=np.zeros((10, 6, n_features)), y=np.arange(10) % 2)
    configure(CONFIG.replace('"data.npz"', '"data.npz"\ntest = "test.npz"'))
    error = refused(capsys, "train", "config.toml", code=1)
    assert f"test.npz: expected 2 features, as in training, got {n_features} in 0" in error
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((60, 6, 1)), "y": np.arange(60) % 2}, "expected 2 features, as in training, got 1 in 0"),
        ({"X": np.zeros((60, 6, 2))}, "expected targets, got none"),
        ({"X": np.zeros((60, 6, 2)), "y": ["a", "b"] * 30}, "expected labels that are integers, as in training, got text"),
    ],
)  # fmt: skip
def test_data_that_replace_those_of_a_run_are_compared_with_it(arrays, message, folder, capsys):
    told(capsys, "train", "config.toml")
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    np.savez("data.npz", **arrays)
    error = refused(capsys, "train", "config.toml", "--resume", "--epochs", "5", code=1)
    assert f"data.npz: {message}" in error
    assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == before


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((4, 3)), "expected 1 numbers in each target, as in training, got 3"),
        ([0.5, np.nan, 1.0, 1.0], "expected finite targets, got NaN or infinity"),
        (["a", "b", "c", "d"], 'expected numbers, since task = "regress"'),
    ],
)
def test_targets_that_a_regression_is_scored_on_are_as_in_training(y, message, folder, capsys):
    train_rmse(np.arange(20.0))
    told(capsys, "train", "config.toml")
    np.savez("other.npz", X=np.zeros((4, 4, 2)), y=y)
    assert f"other.npz: {message}" in refused(capsys, "predict", "run", "other.npz", "--json", code=1)
    configure('task = "regress"\n' + CONFIG.replace('"data.npz"', '"data.npz"\ntest = "other.npz"'))
    assert f"other.npz: {message}" in refused(capsys, "train", "config.toml", "--out", "b", code=1)
    assert not Path("b").exists()


@pytest.mark.parametrize("n_columns", [2, 3])
def test_labels_that_are_scored_are_one_for_each_sequence(n_columns, folder, capsys):
    told(capsys, "train", "config.toml")
    np.savez("other.npz", X=np.zeros((4, 4, 2)), y=np.zeros((4, n_columns), int))
    error = refused(capsys, "predict", "run", "other.npz", code=1)
    assert f"other.npz: expected y (n,), a label for each sequence, got shape (4, {n_columns})" in error


@pytest.mark.parametrize("rate", ["-5.0", "nan", "inf", "0.0"])
def test_a_firing_rate_is_positive(rate, folder, capsys):
    configure(CONFIG.replace("epochs = 3", f"epochs = 3\nfiring_rate = {rate}"))
    error = refused(capsys, "train", "config.toml", code=2)
    assert "[training] firing_rate: expected a finite number > 0" in error
    assert not Path("run").exists()


def test_a_firing_rate_that_cannot_be_reached_is_the_configurations(folder, capsys):
    np.savez("data.npz", X=np.zeros((20, 6, 2)), y=np.arange(20) % 2)
    configure(CONFIG.replace("epochs = 3", "epochs = 3\nfiring_rate = 100.0"))
    assert "[training] firing_rate: expected a firing rate" in refused(capsys, "train", "config.toml", code=2)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:300], lambda raw: raw[:-30], lambda raw: raw[:90] + b"#" + raw[91:]]
)
def test_a_damaged_npz_is_named(damage, folder, capsys):
    np.savez_compressed("data.npz", X=np.random.default_rng(0).normal(size=(60, 4, 2)), y=np.arange(60) % 2)
    Path("data.npz").write_bytes(damage(Path("data.npz").read_bytes()))
    error = refused(capsys, "train", "config.toml", code=1)
    assert (
        error.startswith("eprop train: data.npz: expected an .npz, arrays of numbers")
        and error.count("\n") == 1
    )


def test_an_array_by_itself_is_no_npz(folder, capsys):
    with Path("data.npz").open("wb") as file:
        np.save(file, np.zeros((3, 2)))
    assert (
        "data.npz: expected an .npz, arrays of numbers or text called X, y, lengths, got one array of"
        in refused(capsys, "train", "config.toml", code=1)
    )


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["7", "-1", "10"], [7, -1, 10]),
        (["007", "008", "007"], ["007", "008", "007"]),
        (["1_0", "10", "2"], ["1_0", "10", "2"]),
        (["99999999999999999999", "1", "2"], ["99999999999999999999", "1", "2"]),
        (["1_0.5", "2", "3"], ["1_0.5", "2", "3"]),
        (["0.5", "2", "3"], [0.5, 2.0, 3.0]),
        (["a", "", "3"], ["a", "", "3"]),
    ],
)
def test_labels_are_what_stands_in_the_file(texts, labels, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,label\n" + "".join(f"1,{text}\n" for text in texts), encoding="utf-8")
    assert _data.read_data(path, DataConfig("")).y.tolist() == labels


def test_targets_of_a_regression_are_numbers_however_they_are_written(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,label\n1,007\n1, 1\n1,+2\n", encoding="utf-8")
    assert _data.read_data(path, DataConfig(""), are_labels=False).y.tolist() == [7.0, 1.0, 2.0]


def test_csv_of_excel_and_with_empty_last_lines(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("label,a\n1,0.5\n2,1.5\n\n  \n", encoding="utf-8-sig")
    data = _data.read_data(path, DataConfig(""))
    assert data.y.tolist() == [1, 2] and np.concatenate(data.X).tolist() == [[0.5], [1.5]]


def test_a_missing_column_of_targets_is_named(folder, capsys):
    Path("data.csv").write_text("a,Label\n1,0\n2,1\n", encoding="utf-8")
    configure(CONFIG.replace("data.npz", "data.csv"))
    error = refused(capsys, "train", "config.toml", code=1)
    assert (
        "data.csv: expected targets in a column 'label', as [data] target says, got columns a, Label" in error
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,label\n1,caf\u00e9\n".encode("latin-1"), "expected text in UTF-8, got the byte 0xe9"),
        (b'a,label\n1,"' + b"x" * 140_000 + b'"\n', "expected a .csv, got field larger than field limit"),
        (b"a,label\n1_0,1\n", "line 2: expected a number, got '1_0'"),
        (b"a,label\n1,1\n\n1,0\n", "line 3: expected 2 entries, got 0"),
    ],
)
def test_csv_that_cannot_be_read_is_named(content, message, folder, capsys):
    Path("data.csv").write_bytes(content)
    configure(CONFIG.replace("data.npz", "data.csv"))
    error = refused(capsys, "train", "config.toml", code=1)
    assert error.startswith("eprop train: data.csv") and message in error and error.count("\n") == 1


@pytest.mark.parametrize("n_left", [-1, -2, -1000])
def test_a_cut_recording_is_named(n_left, tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros(1000))
    raw = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(raw[:n_left])
    with pytest.raises(ValueError, match=rf"a.wav: expected 2000 bytes of samples, .* got {2000 + n_left}"):
        _audio.read_wav(tmp_path / "a.wav")


def test_a_recording_out_of_a_pipe_has_no_length(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros(1000))
    raw = bytearray((tmp_path / "a.wav").read_bytes())
    raw[4:8] = raw[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(raw)
    assert len(_audio.read_wav(tmp_path / "a.wav")[0]) == 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,label\n", "got 1 rows"),
        ("a,label\n1,0,3\n", "line 2: expected 2 entries, got 3"),
        ("a,label\n1,0\nb,1\n", "line 3: expected a number, got 'b'"),
    ],
)
def test_csv_that_is_none_is_named(text, message, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        _data.read_data(path, DataConfig(""))


def test_a_sequence_of_two_labels_needs_per_step(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("id,a,label\n1,0.5,0\n1,0.5,1\n2,0.25,1\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match="expected one label in the sequence 1, got several; per_step = true"
    ):
        _data.read_data(path, DataConfig("", sequence="id"))
    data = _data.read_data(path, DataConfig("", sequence="id", per_step=True))
    assert [row.tolist() for row in data.y] == [[0, 1], [1]]
    with pytest.raises(ValueError, match="expected a column 'trial'"):
        _data.read_data(path, DataConfig("", sequence="trial"))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    for path, message in (
        (tmp_path / "data.txt", "a .npz, a .csv, or a folder"),
        (tmp_path, "expected a .wav file of integers"),
    ):
        with pytest.raises(ValueError, match=message):
            _data.read_data(path, DataConfig(""))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(ValueError, match="got none"):
        _data.read_data(tmp_path, DataConfig(""))


def test_a_missing_toml_reader_names_the_extra(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tomllib" if sys.version_info >= (3, 11) else "tomli", None)
    assert "pip install 'eprop[cli]'" in refused(capsys, "train", "config.toml", code=1)


def test_a_missing_graph_library_names_the_extra(folder, capsys, monkeypatch):
    told(capsys, "train", "config.toml")
    for name in [name for name in sys.modules if name.startswith("eprop.nir")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(eprop, "nir", raising=False)
    monkeypatch.setitem(sys.modules, "nir", None)
    assert "eprop[nir]" in refused(capsys, "export", "run", "--nir", "a.nir", code=1)


def test_a_configuration_survives_json():
    config = Config.from_dict(
        {"data": {"train": "a.npz", "test": "b.npz"}, "trainer": {"tau_mem": [1.0, 2.0]}}
    )
    assert Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config


# The bar


class Terminal:
    """A stderr that somebody looks at."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(("pause", "is_seen"), [(0.05, False), (0.3, True)])
def test_the_bar_comes_after_a_second_and_goes(pause, is_seen, monkeypatch):
    clock, terminal = [0.0], Terminal()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in _bar.bar(range(10), "counting"):
        clock[0] += pause
    assert ("counting [" in terminal.text) == is_seen
    if is_seen:
        pictures = re.findall(r"(\d+) of 10, (\d+) s left", terminal.text)
        assert pictures[0] == ("4", "2")
        assert terminal.text.endswith("\r\033[K")


def test_no_bar_where_nobody_looks(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for _ in _bar.bar(range(10), "counting"):
        clock[0] += 1.0
    assert capsys.readouterr().err == ""
