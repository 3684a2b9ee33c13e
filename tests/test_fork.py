"""Children forked while threads are at work: no call waits for a thread that did not come along."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

PRELUDE = """
import copy, os, pickle, signal, sys, threading, time, warnings
import numpy as np
import eprop

warnings.simplefilter("ignore")

def long_call(trainer, entered):
    x = np.zeros((400_000, 100), np.float32)
    x[:, :20] = 1
    entered.set()
    trainer.train_sequence(x, np.zeros((400_000, 2), np.float32))

def busy():
    '''A trainer that a thread is inside of, for longer than any test takes.'''
    trainer = eprop.EpropTrainer(100, 1000, 2)
    trainer.W_in = np.zeros((1000, 100))
    entered = threading.Event()
    threading.Thread(target=long_call, args=(trainer, entered), daemon=True).start()
    entered.wait()
    time.sleep(0.2)
    return trainer

def in_child(work):
    '''Runs `work` in a forked child, and ends with its verdict.'''
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def run(code):
    """The output of a script that ends well within its time, whatever waits in it."""
    script = PRELUDE + textwrap.dedent(code)
    try:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        pytest.fail("waits for ever")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_trainer_whose_caller_stayed_behind_says_so():
    output = run(
        """
        trainer = busy()
        calls = [
            lambda: trainer.step(np.zeros(100)),
            lambda: trainer.W_rec,
            lambda: trainer.reset(),
            lambda: copy.copy(trainer),
            lambda: pickle.dumps(trainer),
            lambda: trainer.state_equal(eprop.EpropTrainer(100, 1000, 2)),
            lambda: eprop.EpropTrainer(100, 1000, 2).state_equal(trainer),
        ]

        def work():
            global trainer
            for call in calls:
                try:
                    call()
                except RuntimeError as error:
                    print(error)
                else:
                    raise AssertionError("went on")
            calls.clear()
            del trainer  # which must wait for nobody, and touch no half-written memory
            eprop.EpropTrainer(100, 10, 2).step(np.zeros(100))

        code = in_child(work)
        sys.stdout.flush()
        os._exit(code)
        """
    )
    messages = output.splitlines()
    assert len(messages) == 7
    for message in messages:
        assert "in the middle of a call when this process was forked" in message
        assert "a copy before the fork" in message and "spawn" in message


def test_the_parent_goes_on():
    run(
        """
        trainer = eprop.EpropTrainer(100, 300, 2, dtype="float64")
        twin = copy.copy(trainer)
        x, y = np.random.default_rng(1).random((3000, 100)) < 0.02, np.zeros((3000, 2))
        thread = threading.Thread(target=lambda: trainer.train_sequence(x, y))
        thread.start()
        for _ in range(3):
            in_child(lambda: None)
        thread.join()
        twin.train_sequence(x, y)
        assert trainer.state_equal(twin)
        """
    )


def test_an_idle_trainer_goes_on_in_the_child():
    run(
        """
        busy()
        trainer, twin = (eprop.EpropTrainer(100, 10, 2) for _ in range(2))
        x = np.ones((50, 100))
        twin.train_sequence(x, np.zeros((50, 2)))

        def work():
            trainer.train_sequence(x, np.zeros((50, 2)))
            assert trainer.state_equal(twin)

        os._exit(in_child(work))
        """
    )


def test_threads_that_queued_at_the_fork_are_forgotten():
    """The thread inside is lost, and so are those that waited: the child hears of it, and none waits behind a ghost."""
    run(
        """
        trainer = busy()
        waiting = [threading.Thread(target=lambda: trainer.v, daemon=True) for _ in range(3)]
        for thread in waiting:
            thread.start()
        time.sleep(0.2)

        def work():
            for _ in range(2):
                try:
                    trainer.step(np.zeros(100))
                except RuntimeError:
                    continue
                raise AssertionError("went on")

        os._exit(in_child(work))
        """
    )


def test_a_handler_that_forks_in_its_own_call():
    """The thread that is inside does live on in the child, and so does its call."""
    run(
        """
        trainer = eprop.EpropTrainer(100, 1000, 2)
        trainer.W_in = np.zeros((1000, 100))
        children = []

        def handler(*_):
            if not children:
                children.append(os.fork())

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        x = np.zeros((40_000, 100), np.float32)
        x[:, :20] = 1
        while not children:
            trainer.train_sequence(x, np.zeros((40_000, 2), np.float32))
        trainer.step(np.zeros(100))
        if children[0] == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
        """
    )


def test_a_handler_may_use_the_trainer_that_its_thread_waits_for():
    """The waiting thread has a place in the queue already: its handler takes the turn in that place."""
    run(
        """
        trainer = eprop.EpropTrainer(100, 1000, 2)
        trainer.W_in = np.zeros((1000, 100))
        x = np.zeros((60_000, 100), np.float32)
        x[:, :20] = 1
        thread = threading.Thread(target=trainer.train_sequence, args=(x, np.zeros((60_000, 2), np.float32)))
        seen = []
        signal.signal(signal.SIGALRM, lambda *_: seen.append(trainer.v))
        thread.start()
        time.sleep(0.1)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        trainer.step(np.zeros(100))
        thread.join()
        assert len(seen) == 1
        """
    )


def test_children_of_a_process_whose_threads_are_at_work_on_batches():
    """Forks that fall wherever they fall in the making and use of the pool: each child works, with threads of its own."""
    run(
        """
        def trainer():
            return eprop.EpropTrainer(20, 20, 1, batch_size=12, update_every="sequence")

        x = np.ones((12, 40, 20), np.float32)
        expected = trainer().predict_sequence(x, n_threads=1).tobytes()
        done = threading.Event()

        def use():
            mine, n_threads = trainer(), 1
            while not done.is_set():
                n_threads = n_threads % 12 + 1
                mine.predict_sequence(x, n_threads=n_threads)

        threads = [threading.Thread(target=use, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()

        def work():
            for n_threads in (2, 12):
                assert trainer().predict_sequence(x, n_threads=n_threads).tobytes() == expected

        codes = [in_child(work) for _ in range(40)]
        done.set()
        for thread in threads:
            thread.join()
        assert not any(codes), codes
        """
    )
