//! What the binding asks of a network besides what a trainer of the crate has: how its gradients look in Python.

use eprop::{
    EpropTrainer, Gradients, Horizon, Matrix, Network, OnlineTrainer, Optimizer, Recurrent,
    Reduction, Stack, StackGradients, Trainer,
};
use numpy::ndarray::Array1;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList};

use crate::arrays::{give, matrix};
use crate::error;
use crate::numbers::Real;
use crate::table::{Name, Table};
use crate::vector::vector;

/// A network behind a Python class.
pub trait Net: Network<F: Real, Gradients: Send> + 'static {
    /// Synapses that a step of one stream passes.
    fn synapses(trainer: &Trainer<Self>) -> usize;
    /// How much credit a recurrent synapse passes on, if any goes through it.
    fn recurrent_gain(_: &Trainer<Self>) -> Option<f64> {
        None
    }
    /// The dict that `gradients` returns.
    fn give<'py>(py: Python<'py>, gradients: Self::Gradients) -> PyResult<Bound<'py, PyDict>>;
    /// The gradient that `apply_gradients` was handed.
    fn take(gradients: &Bound<'_, PyDict>, trainer: &Trainer<Self>) -> PyResult<Self::Gradients>;
}

impl<F: Real> Net for Recurrent<F> {
    fn synapses(trainer: &EpropTrainer<F>) -> usize {
        match trainer.is_listed() {
            true => [Matrix::WIn, Matrix::WRec]
                .map(|matrix| trainer.n_synapses(matrix))
                .iter()
                .sum(),
            false => (trainer.n_inputs() + trainer.n_neurons()).saturating_mul(trainer.n_neurons()),
        }
    }

    fn recurrent_gain(trainer: &EpropTrainer<F>) -> Option<f64> {
        let config = trainer.config();
        (config.horizon != Horizon::Steps(1)).then_some(config.recurrent_gain)
    }

    fn give<'py>(py: Python<'py>, gradients: Gradients<F>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("W_in", give(py, gradients.w_in)?)?;
        dict.set_item("W_rec", give(py, gradients.w_rec)?)?;
        dict.set_item("W_out", give(py, gradients.w_out)?)?;
        dict.set_item("b", give(py, gradients.b)?)?;
        dict.set_item("loss", gradients.loss)?;
        dict.set_item("n_targets", gradients.n_targets)?;
        dict.set_item("n_streams", gradients.n_streams)?;
        Ok(dict)
    }

    fn take(gradients: &Bound<'_, PyDict>, trainer: &EpropTrainer<F>) -> PyResult<Gradients<F>> {
        check_keys(gradients, &["W_in", "W_rec", "W_out", "b"])?;
        let of = |name: &'static str, key, rows: usize, columns: usize| -> PyResult<_> {
            let value = required(gradients, key)?;
            matrix(&Table::new(name, &value)?, &format!("({rows}, {columns})"))
        };
        let (n_inputs, n) = (trainer.n_inputs(), trainer.n_neurons());
        let (of_inputs, of_neurons) = match trainer.is_listed() {
            // The face makes rows of what it is given.
            true => (
                (1, trainer.n_synapses(Matrix::WIn)),
                (1, trainer.n_synapses(Matrix::WRec)),
            ),
            false => ((n, n_inputs), (n, n)),
        };
        let b = gradients.get_item("b")?;
        let b = match b {
            Some(b) => vector("gradients[\"b\"]", &b, trainer.n_outputs(), "")?,
            None if trainer.config().readout_bias => return Err(missing("b")),
            None => Array1::default(trainer.n_outputs()),
        };
        let config = trainer.config();
        let of_what = Counts::of(gradients, config.optimizer, config.reduction)?;
        Ok(Gradients {
            w_in: of("gradients[\"W_in\"]", "W_in", of_inputs.0, of_inputs.1)?,
            w_rec: of("gradients[\"W_rec\"]", "W_rec", of_neurons.0, of_neurons.1)?,
            w_out: of("gradients[\"W_out\"]", "W_out", trainer.n_outputs(), n)?,
            b,
            loss: of_what.loss,
            n_targets: of_what.n_targets,
            n_streams: of_what.n_streams,
        })
    }
}

impl<F: Real> Net for Stack<F> {
    fn synapses(trainer: &OnlineTrainer<F>) -> usize {
        let pairs = trainer.layer_sizes().windows(2);
        pairs.map(|pair| pair[0].saturating_mul(pair[1])).sum()
    }

    fn give<'py>(py: Python<'py>, gradients: StackGradients<F>) -> PyResult<Bound<'py, PyDict>> {
        let weights = PyList::empty(py);
        for w in gradients.w {
            weights.append(give(py, w)?)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("W", weights)?;
        dict.set_item("loss", gradients.loss)?;
        dict.set_item("n_targets", gradients.n_targets)?;
        dict.set_item("n_streams", gradients.n_streams)?;
        Ok(dict)
    }

    fn take(
        gradients: &Bound<'_, PyDict>,
        trainer: &OnlineTrainer<F>,
    ) -> PyResult<StackGradients<F>> {
        check_keys(gradients, &["W"])?;
        let w = required(gradients, "W")?;
        let Ok(list) = w.cast::<PyList>() else {
            return Err(PyTypeError::new_err(format!(
                "gradients[\"W\"]: expected a list of arrays, one per layer, got {w}"
            )));
        };
        let sizes = trainer.layer_sizes();
        let w = list.iter().enumerate().map(|(layer, w)| -> PyResult<_> {
            let expected = match sizes.get(layer..layer + 2) {
                Some(pair) => format!("({}, {})", pair[1], pair[0]),
                None => "(units, units)".to_owned(),
            };
            matrix(
                &Table::new(Name::from("gradients[\"W\"]").item(layer), &w)?,
                &expected,
            )
        });
        let config = trainer.config();
        let of_what = Counts::of(gradients, config.optimizer, config.reduction)?;
        Ok(StackGradients {
            w: w.collect::<PyResult<_>>()?,
            loss: of_what.loss,
            n_targets: of_what.n_targets,
            n_streams: of_what.n_streams,
        })
    }
}

fn required<'py>(gradients: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    gradients.get_item(key)?.ok_or_else(|| missing(key))
}

fn missing(key: &str) -> PyErr {
    PyValueError::new_err(format!(
        "gradients: expected the key {key:?}, as gradients() returns it, got a dict without"
    ))
}

/// No key but these, and what `gradients` says besides.
fn check_keys(gradients: &Bound<'_, PyDict>, keys: &[&str]) -> PyResult<()> {
    for key in gradients.keys() {
        let key = key.str()?.to_string();
        if !keys.contains(&key.as_str()) && !COUNTS.contains(&key.as_str()) {
            let expected = keys.join(", ");
            let counts = COUNTS.join(", ");
            return Err(PyValueError::new_err(format!(
                "gradients: expected the keys {expected}, {counts}, got {key:?}"
            )));
        }
    }
    Ok(())
}

/// What `gradients` says besides the arrays.
const COUNTS: [&str; 3] = ["loss", "n_targets", "n_streams"];

/// What a gradient is a sum over; 0 where nothing asks for it.
struct Counts {
    loss: f64,
    n_targets: u64,
    n_streams: u64,
}

impl Counts {
    fn of(
        gradients: &Bound<'_, PyDict>,
        optimizer: Optimizer,
        reduction: Reduction,
    ) -> PyResult<Self> {
        let limited = optimizer.is_limited();
        let needed_by = |key: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
            let reason = match (limited, reduction) {
                (_, Reduction::Mean) if key == "n_targets" => {
                    "by which reduction = \"mean\" divides"
                }
                (true, _) => "which limits the step (optimizer=SGD(limit=False) takes it without)",
                _ => return Ok(None),
            };
            let value = gradients.get_item(key)?;
            value.map(Some).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "gradients: expected the key {key:?}, {reason}, got a dict without"
                ))
            })
        };
        Ok(Self {
            loss: needed_by("loss")?.map_or(Ok(0.0), |loss| summed_loss(&loss))?,
            n_targets: needed_by("n_targets")?
                .map_or(Ok(0), |n| count("n_targets", "steps", 0, &n))?,
            n_streams: needed_by("n_streams")?
                .map_or(Ok(1), |n| count("n_streams", "streams", 1, &n))?,
        })
    }
}

fn summed_loss(loss: &Bound<'_, PyAny>) -> PyResult<f64> {
    let expected =
        format!("gradients[\"loss\"]: expected a finite number, the summed loss, got {loss}");
    match loss.extract::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(PyValueError::new_err(expected)),
        Err(_) => Err(PyTypeError::new_err(expected)),
    }
}

fn count(key: &str, of: &str, least: u64, n: &Bound<'_, PyAny>) -> PyResult<u64> {
    let expected =
        format!("gradients[{key:?}]: expected a number of {of} of at least {least}, got {n}");
    let whole = n.hasattr("__index__")? && !n.is_instance_of::<PyBool>();
    match n.extract() {
        _ if !whole => Err(PyTypeError::new_err(expected)),
        Ok(n) if n >= least => Ok(n),
        _ => Err(PyValueError::new_err(expected)),
    }
}

/// The crate's error, with the names of the dict.
pub fn raise_of_gradients(error: eprop::Error) -> PyErr {
    let named = |argument: &str| match argument.strip_prefix("gradients.") {
        Some(key) => match key.split_once('[') {
            Some((key, rest)) => format!("gradients[\"{key}\"][{rest}"),
            None => format!("gradients[\"{key}\"]"),
        },
        None => argument.to_owned(),
    };
    error::raise(match error {
        eprop::Error::Shape {
            argument,
            expected,
            got,
        } => eprop::Error::Shape {
            argument: named(&argument).into(),
            expected,
            got,
        },
        eprop::Error::Value {
            argument,
            expected,
            got,
        } => eprop::Error::Value {
            argument: named(&argument).into(),
            expected,
            got,
        },
        other => other,
    })
}
