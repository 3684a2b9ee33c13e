//! The fields of a Python dataclass as a configuration of the crate: one line per option.

use std::str::FromStr;

use eprop::{
    Config, Connect, Error, Horizon, LayerConfig, Optimizer, Part, PerNeuron, Rewire, StackConfig,
    SynapseList, UpdateEvery,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::raise;

/// What every neuron has.
#[derive(FromPyObject)]
struct Neuron {
    tau_mem: Each,
    threshold: Each,
    lr: f64,
    dt: f64,
    reset_mechanism: String,
    n_ref: u64,
    surrogate: String,
    surrogate_height: Option<f64>,
    surrogate_width: Option<f64>,
    input_gain: String,
    seed: u64,
    beta: Each,
    tau_adaptation: Each,
}

/// A number for all neurons, or one for each.
#[derive(FromPyObject)]
enum Each {
    All(f64),
    One(Vec<f64>),
}

impl Each {
    /// What stands in the place of an array, and the array.
    fn split(self) -> (f64, Option<Vec<f64>>) {
        match self {
            Self::All(x) => (x, None),
            Self::One(xs) => (xs.first().copied().unwrap_or(1.0), Some(xs)),
        }
    }
}

/// What every trainer of sequences has.
#[derive(FromPyObject)]
struct Learning {
    loss: String,
    update_every: Every,
    #[pyo3(attribute("_optimizer"))]
    optimizer: OptimizerFields,
    reduction: String,
    batch_size: u64,
    clip_norm: Option<f64>,
    w_max: Option<f64>,
    memory_limit: Option<u64>,
}

/// What the face makes of every optimizer: its name, and its constants by their names.
#[derive(FromPyObject)]
struct OptimizerFields(String, std::collections::HashMap<String, f64>);

/// What only the recurrent network has.
#[derive(FromPyObject)]
struct Recurrent {
    tau_trace: f64,
    tau_out: Option<f64>,
    readout_gain: String,
    feedback: String,
    readout_bias: bool,
    c_reg: f64,
    f_target: f64,
    tau_reg: f64,
    horizon: Every,
    recurrent_gain: f64,
    delay: u64,
    feedback_decay: f64,
    c_reg_side: String,
    lr_in: Option<f64>,
    lr_rec: Option<f64>,
    lr_out: Option<f64>,
    tau_syn: f64,
    engine: Option<String>,
    connect_in: Option<Connected>,
    connect_rec: Option<Connected>,
    sign: Option<Signs>,
    #[pyo3(attribute("_rewire"))]
    rewire: Option<(f64, f64)>,
}

/// Synapses that exist, where not all do.
#[derive(FromPyObject)]
pub enum Connected {
    Density(f64),
    Listed(Listed),
}

/// As the face lists them.
#[derive(FromPyObject)]
pub struct Listed {
    shape: (usize, usize),
    starts: Numbers<i64>,
    targets: Numbers<u32>,
}

/// A vector of an array that the face has made, and nobody changes.
pub struct Numbers<T>(pub Vec<T>);

impl<'py, T: numpy::Element + Copy> FromPyObject<'_, 'py> for Numbers<T> {
    type Error = PyErr;
    fn extract(array: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let array: numpy::PyReadonlyArray1<'py, T> = array.extract()?;
        Ok(Self(array.as_array().to_vec()))
    }
}

pub type Signs = Numbers<i8>;

/// A number of steps, or a word.
#[derive(FromPyObject)]
pub enum Every {
    Steps(u64),
    Word(String),
}

/// Whether the arrays are float64.
pub fn is_wide(face: &Bound<'_, PyAny>) -> PyResult<bool> {
    let dtype: String = face.getattr("dtype")?.extract()?;
    match dtype.as_str() {
        "float32" => Ok(false),
        "float64" => Ok(true),
        other => Err(PyValueError::new_err(format!(
            "dtype: expected one of \"float32\", \"float64\", got {other:?}"
        ))),
    }
}

pub fn layer(face: &Bound<'_, PyAny>) -> PyResult<LayerConfig> {
    let neuron: Neuron = face.extract()?;
    let (tau_mem, taus_mem) = neuron.tau_mem.split();
    let (threshold, thresholds) = neuron.threshold.split();
    let (beta, betas) = neuron.beta.split();
    let (tau_adaptation, taus_adaptation) = neuron.tau_adaptation.split();
    Ok(LayerConfig {
        tau_mem,
        threshold,
        lr: neuron.lr,
        dt: neuron.dt,
        reset_mechanism: choice("reset_mechanism", &neuron.reset_mechanism)?,
        n_ref: count(neuron.n_ref),
        surrogate: choice("surrogate", &neuron.surrogate)?,
        surrogate_height: neuron.surrogate_height,
        surrogate_width: neuron.surrogate_width,
        input_gain: choice("input_gain", &neuron.input_gain)?,
        seed: neuron.seed,
        beta,
        tau_adaptation,
        // Of a recurrent network alone.
        tau_syn: 0.0,
        each: PerNeuron {
            tau_mem: taus_mem,
            threshold: thresholds,
            beta: betas,
            tau_adaptation: taus_adaptation,
        },
    })
}

pub fn stack(face: &Bound<'_, PyAny>) -> PyResult<StackConfig> {
    refuse_rewire(face)?;
    let mut config = in_common(face)?;
    // Here an array has a number for each layer, not for each neuron.
    config.tau_mem = config.layer.each.tau_mem.take();
    Ok(config)
}

/// What trainers of sequences have in common.
fn in_common(face: &Bound<'_, PyAny>) -> PyResult<StackConfig> {
    let learning: Learning = face.extract()?;
    Ok(StackConfig {
        tau_mem: None,
        layer: layer(face)?,
        loss: choice("loss", &learning.loss)?,
        update_every: update_every(learning.update_every)?,
        optimizer: optimizer(&learning.optimizer)?,
        reduction: choice("reduction", &learning.reduction)?,
        batch_size: count(learning.batch_size),
        clip_norm: learning.clip_norm,
        w_max: learning.w_max,
        memory_limit: learning.memory_limit.map(count),
    })
}

/// That of a layer, whose other fields are its neuron's.
pub fn layer_optimizer(face: &Bound<'_, PyAny>) -> PyResult<Optimizer> {
    refuse_rewire(face)?;
    optimizer(&face.getattr("_optimizer")?.extract()?)
}

/// What only a recurrent network that is trained on sequences has.
fn refuse_rewire(face: &Bound<'_, PyAny>) -> PyResult<()> {
    match face.getattr("_rewire")?.is_none() {
        true => Ok(()),
        false => Err(PyValueError::new_err(
            "optimizer.rewire: expected None, since only the synapses of an EpropTrainer move, got a Rewire",
        )),
    }
}

fn optimizer(OptimizerFields(name, constants): &OptimizerFields) -> PyResult<Optimizer> {
    let constant = |field: &str, otherwise: f64| constants.get(field).copied().unwrap_or(otherwise);
    let flag = |field: &str| constant(field, 1.0) != 0.0;
    match name.as_str() {
        "sgd" => Ok(Optimizer::Sgd {
            limit: flag("limit"),
            weight_decay: constant("weight_decay", 0.0),
        }),
        "momentum" => Ok(Optimizer::Momentum {
            mu: constant("mu", 0.9),
            limit: flag("limit"),
            weight_decay: constant("weight_decay", 0.0),
        }),
        "auto" => Ok(Optimizer::Auto {
            weight_decay: constant("weight_decay", 0.0),
            per_neuron: constant("per_neuron", 0.0) != 0.0,
        }),
        "adam" => Ok(Optimizer::Adam {
            beta1: constant("beta1", 0.9),
            beta2: constant("beta2", 0.999),
            eps: constant("eps", 1e-8),
            weight_decay: constant("weight_decay", 0.0),
        }),
        "adamw" => Ok(Optimizer::AdamW {
            weight_decay: constant("weight_decay", 0.01),
            beta1: constant("beta1", 0.9),
            beta2: constant("beta2", 0.999),
            eps: constant("eps", 1e-8),
        }),
        other => Err(PyValueError::new_err(format!(
            "optimizer: expected one of \"sgd\", \"auto\", \"momentum\", \"adam\", \"adamw\", or an optimizer of eprop.optim, got {other:?}"
        ))),
    }
}

pub fn recurrent(face: &Bound<'_, PyAny>) -> PyResult<Config> {
    let StackConfig {
        layer,
        loss,
        update_every,
        optimizer,
        reduction,
        batch_size,
        clip_norm,
        w_max,
        memory_limit,
        tau_mem: _,
    } = in_common(face)?;
    let recurrent: Recurrent = face.extract()?;
    Ok(Config {
        tau_mem: layer.tau_mem,
        tau_trace: recurrent.tau_trace,
        threshold: layer.threshold,
        lr: layer.lr,
        dt: layer.dt,
        tau_out: recurrent.tau_out,
        reset_mechanism: layer.reset_mechanism,
        n_ref: layer.n_ref,
        surrogate: layer.surrogate,
        surrogate_height: layer.surrogate_height,
        surrogate_width: layer.surrogate_width,
        input_gain: layer.input_gain,
        readout_gain: choice("readout_gain", &recurrent.readout_gain)?,
        loss,
        feedback: choice("feedback", &recurrent.feedback)?,
        readout_bias: recurrent.readout_bias,
        c_reg: recurrent.c_reg,
        f_target: recurrent.f_target,
        tau_reg: recurrent.tau_reg,
        feedback_decay: recurrent.feedback_decay,
        c_reg_side: choice("c_reg_side", &recurrent.c_reg_side)?,
        update_every,
        seed: layer.seed,
        beta: layer.beta,
        tau_adaptation: layer.tau_adaptation,
        each: layer.each,
        optimizer,
        reduction,
        batch_size,
        engine: match recurrent.engine {
            Some(engine) => Some(choice("engine", &engine)?),
            None => None,
        },
        memory_limit,
        horizon: horizon(recurrent.horizon)?,
        recurrent_gain: recurrent.recurrent_gain,
        delay: count(recurrent.delay),
        clip_norm,
        w_max,
        lr_in: recurrent.lr_in,
        lr_rec: recurrent.lr_rec,
        lr_out: recurrent.lr_out,
        tau_syn: recurrent.tau_syn,
        connect_in: connect(recurrent.connect_in)?,
        connect_rec: connect(recurrent.connect_rec)?,
        sign: recurrent.sign.map(|signs| signs.0),
        rewire: recurrent
            .rewire
            .map(|(l1, temperature)| Rewire { l1, temperature }),
        part: part(face)?,
    })
}

/// Which neurons of a network `eprop.mpi` has given a trainer, if it has.
fn part(face: &Bound<'_, PyAny>) -> PyResult<Option<Part>> {
    let Some(part) = face.getattr_opt("_part")? else {
        return Ok(None);
    };
    let (first, all, before, after): (usize, usize, Numbers<u32>, Numbers<u32>) = part.extract()?;
    Ok(Some(Part {
        first,
        all,
        before: before.0,
        after: after.0,
    }))
}

pub fn connect(connected: Option<Connected>) -> PyResult<Connect> {
    match connected {
        None => Ok(Connect::All),
        Some(Connected::Density(density)) => Ok(Connect::Density(density)),
        Some(Connected::Listed(Listed {
            shape: (n, _),
            starts,
            targets,
        })) => {
            let starts = starts.0.into_iter().map(|start| start as usize).collect();
            let listed = SynapseList::of_sources(n, starts, targets.0).map_err(raise)?;
            Ok(Connect::Listed(listed))
        }
    }
}

/// One of the crate's named choices, under the name that the user typed (two options share the type `Gain`).
pub fn choice<C: FromStr<Err = Error>>(argument: &'static str, text: &str) -> PyResult<C> {
    text.parse().map_err(|error| match error {
        Error::Value { expected, got, .. } => raise(Error::Value {
            argument: argument.into(),
            expected,
            got,
        }),
        other => raise(other),
    })
}

fn update_every(every: Every) -> PyResult<UpdateEvery> {
    match every {
        Every::Steps(n) => Ok(UpdateEvery::Steps(count(n))),
        Every::Word(word) if word == "sequence" => Ok(UpdateEvery::Sequence),
        Every::Word(word) => Err(PyValueError::new_err(format!(
            "update_every: expected a number of steps >= 1 or \"sequence\", got {word:?}"
        ))),
    }
}

/// The `horizon` that a user typed.
pub fn horizon(every: Every) -> PyResult<Horizon> {
    match every {
        Every::Steps(n) => Ok(Horizon::Steps(count(n))),
        Every::Word(word) if word == "sequence" => Ok(Horizon::Sequence),
        Every::Word(word) => Err(PyValueError::new_err(format!(
            "horizon: expected 1, a number of steps >= 1, or \"sequence\", got {word:?}"
        ))),
    }
}

/// More than the address space holds is as good as the most that it holds.
pub fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A size, as `usize` holds it; what it does not hold can be allocated on no machine.
pub fn size(face: &Bound<'_, PyAny>, name: &str) -> PyResult<usize> {
    face.getattr(name)?.extract()
}

pub fn sizes(face: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<usize>> {
    face.getattr(name)?.extract()
}
