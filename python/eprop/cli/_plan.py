"""``eprop plan``: what a configuration will take, before anything is allocated."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from .._html import as_size
from .._trainer import EpropTrainer
from ._config import ConfigError, config_argument, read_config
from ._data import read_data
from ._network import sizes, trainer_options

JSON = "the plan as one JSON object"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="form, memory and work of a configuration",
        description="What the network of a configuration takes: the form of its synapses, bytes, and the work of a step. "
        "The data say how many inputs and outputs there are, unless n_inputs and n_outputs stand in [trainer].",
        epilog="example: eprop plan config.toml",
    )
    config_argument(parser)
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prints the plan."""
    config = read_config(options.config)
    n_sequences, length = 10 * int(config.trainer.get("batch_size", 32)), float(config.data.n_steps)
    n_inputs, n_outputs = config.trainer.get("n_inputs"), config.trainer.get("n_outputs")
    if n_inputs is None or n_outputs is None:
        data = read_data(Path(config.data.train), config.data, are_labels=config.is_classification)
        n_inputs, n_outputs = sizes(config, data)
        n_sequences, median = len(data.X), float(np.median(data.lengths))
        length = median * max(1, ceil(config.data.n_steps / median))
    fields = trainer_options(config, n_sequences, length) | {"n_inputs": n_inputs, "n_outputs": n_outputs}
    try:
        plan = EpropTrainer.plan(**fields)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"[trainer] {error}") from None
    told = {
        "n_inputs": n_inputs,
        "n_neurons": fields["n_neurons"],
        "n_outputs": n_outputs,
        "batch_size": fields["batch_size"],
        **asdict(plan),
    }
    if not options.json:
        print(f"network          {n_inputs} inputs, {told['n_neurons']} neurons, {n_outputs} outputs")
        print(f"streams          {told['batch_size']}")
        print(f"form             {plan.engine}, blocks of {plan.block} steps")
        print(f"memory           {as_size(plan.bytes)}")
        print(
            f"a step           {plan.multiply_adds:,.0f} multiply-adds, {as_size(round(plan.bytes_moved))} moved"
        )
        print(f"                 of one stream, while {plan.active:.3g} inputs and neurons are active")
    return told
