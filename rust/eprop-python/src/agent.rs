//! `_core.EpropAgent`.

use eprop::{AgentConfig, Config, Inputs, Matrix, Next, UpdateEvery};
use numpy::ndarray::{Array1, Array2, Axis};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{assign, assign_vector, give_rows, matrix, read};
use crate::cell::{Cell, Wide, at_width};
use crate::class::class;
use crate::error;
use crate::numbers::Real;
use crate::options::{self, Connected, Every, Signs, choice, count};
use crate::signals::interrupt;
use crate::table::Table;
use crate::trainer::{HasNetwork, as_arrays, connected, matrix_of, state, traces, z_bar};

class!(
    /// The agent behind `eprop.rl.EpropAgent`; takes the dataclass whose fields configure it.
    EpropAgent, EpropAgent, {
    #[new]
    fn new(py: Python<'_>, face: &Bound<'_, PyAny>) -> PyResult<Self> {
        let size = |name| options::size(face, name);
        let (i, n, actions) = (size("n_inputs")?, size("n_neurons")?, size("n_actions")?);
        let config = config(face)?;
        let wide = options::is_wide(face)?;
        Wide::build(
            py,
            wide,
            || eprop::EpropAgent::new_until(i, n, actions, config.clone(), interrupt()),
            || eprop::EpropAgent::new_until(i, n, actions, config.clone(), interrupt()),
        )
        .map(Self)
    }

    /// The actions. `observation`: of every environment as many rows as a decision has steps.
    fn act(&self, py: Python<'_>, observation: &Bound<'_, PyAny>, greedy: bool) -> PyResult<Vec<usize>> {
        at_width!(&self.0, cell => act(py, cell, observation, greedy))
    }

    #[pyo3(signature = (reward, done, truncated, last_observation, reset))]
    fn learn(
        &self,
        py: Python<'_>,
        reward: Vec<f64>,
        done: Vec<bool>,
        truncated: Vec<bool>,
        last_observation: Option<&Bound<'_, PyAny>>,
        reset: bool,
    ) -> PyResult<()> {
        let ends: Vec<_> = done.into_iter().zip(truncated).collect();
        at_width!(&self.0, cell => learn(py, cell, &reward, &ends, last_observation, reset))
    }

    fn calibrate(&self, py: Python<'_>, observations: &Bound<'_, PyAny>, rate: f64) -> PyResult<f64> {
        at_width!(&self.0, cell => {
            let _turn = cell.take(py)?;
            let rows = rows("observations", observations)?;
            let done = py.detach(|| cell.lock().calibrate(rows.view(), rate));
            done.map_err(error::raise)
        })
    }

    #[getter]
    fn policy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => policy(py, cell))
    }

    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        at_width!(&self.0, cell => cell.run(py, |agent| of_environments(agent, |agent, b| agent.value(b))))
    }

    #[getter]
    fn td_error(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        at_width!(&self.0, cell => cell.run(py, |agent| of_environments(agent, |agent, b| agent.td_error(b))))
    }

    #[getter]
    fn n_updates(&self, py: Python<'_>) -> PyResult<u64> {
        at_width!(&self.0, cell => cell.run(py, |agent| agent.network().n_updates()))
    }

    fn set_lr_in(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_in(lr)))
    }

    fn set_lr_rec(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_rec(lr)))
    }

    fn set_lr_out(&self, py: Python<'_>, lr: Option<f64>) -> PyResult<()> {
        at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr_out(lr)))
    }

    /// The lists that `connect_in` or `connect_rec` was, of `W_in` or `W_rec`; None where it was none.
    fn connected<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let list = at_width!(&self.0, cell => cell.run(py, |agent| connected(agent.network().config(), name)))?;
        list.map(|list| as_arrays(py, name, &list)).transpose()
    }

    #[getter(W_in)]
    fn w_in<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_in", Matrix::WIn))
    }

    #[setter(W_in)]
    fn set_w_in(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_in", value, |t| t.network().dim(Matrix::WIn), |t, w| t.set_w_in(w)))
    }

    #[getter(W_rec)]
    fn w_rec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_rec", Matrix::WRec))
    }

    #[setter(W_rec)]
    fn set_w_rec(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_rec", value, |t| t.network().dim(Matrix::WRec), |t, w| t.set_w_rec(w)))
    }

    #[getter(W_out)]
    fn w_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "W_out", Matrix::WOut))
    }

    #[setter(W_out)]
    fn set_w_out(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "W_out", value, |t| t.network().dim(Matrix::WOut), |t, w| t.set_w_out(w)))
    }

    #[getter(B)]
    fn b_feedback<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => matrix_of(py, cell, "B", Matrix::B))
    }

    #[setter(B)]
    fn set_b_feedback(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign(py, cell, "B", value, |t| t.network().dim(Matrix::B), |t, w| t.set_b_feedback(w)))
    }

    #[getter]
    fn b<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => read(py, cell, |t| t.network().b()))
    }

    #[setter]
    fn set_b(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        at_width!(&self.0, cell => assign_vector(py, cell, "b", value, |t| t.network().n_outputs(), |t, b| t.set_b(b)))
    }

    #[getter]
    fn a<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.a()))
    }

    #[getter]
    fn v<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.v()))
    }

    #[getter]
    fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => state(py, cell, |stream| stream.spikes()))
    }

    #[getter]
    fn z_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => z_bar(py, cell))
    }

    #[getter]
    fn e_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        at_width!(&self.0, cell => traces(py, cell, "e_bar", Matrix::EBar))
    }
});

type Agent<F> = Cell<eprop::EpropAgent<F>>;

impl<F: Real> HasNetwork for eprop::EpropAgent<F> {
    type F = F;
    fn network(&self) -> &eprop::EpropTrainer<F> {
        self.network()
    }
}

/// What is read of the dataclass besides its neuron and its optimizer.
#[derive(FromPyObject)]
struct Fields {
    gamma: f64,
    lam: f64,
    entropy: f64,
    value_weight: f64,
    steps_per_action: u64,
    update_every: Every,
    tau_trace: f64,
    tau_out: Option<f64>,
    readout_gain: String,
    feedback: String,
    feedback_decay: f64,
    readout_bias: bool,
    reduction: String,
    batch_size: u64,
    clip_norm: Option<f64>,
    w_max: Option<f64>,
    delay: u64,
    lr_in: Option<f64>,
    lr_rec: Option<f64>,
    lr_out: Option<f64>,
    tau_syn: f64,
    connect_in: Option<Connected>,
    connect_rec: Option<Connected>,
    sign: Option<Signs>,
}

fn config(face: &Bound<'_, PyAny>) -> PyResult<AgentConfig> {
    let neuron = options::layer(face)?;
    let fields: Fields = face.extract()?;
    let network = Config {
        tau_mem: neuron.tau_mem,
        tau_trace: fields.tau_trace,
        threshold: neuron.threshold,
        lr: neuron.lr,
        dt: neuron.dt,
        tau_out: fields.tau_out,
        reset_mechanism: neuron.reset_mechanism,
        n_ref: neuron.n_ref,
        surrogate: neuron.surrogate,
        surrogate_height: neuron.surrogate_height,
        surrogate_width: neuron.surrogate_width,
        input_gain: neuron.input_gain,
        readout_gain: choice("readout_gain", &fields.readout_gain)?,
        feedback: choice("feedback", &fields.feedback)?,
        feedback_decay: fields.feedback_decay,
        readout_bias: fields.readout_bias,
        update_every: update_every(fields.update_every)?,
        optimizer: options::layer_optimizer(face)?,
        reduction: choice("reduction", &fields.reduction)?,
        seed: neuron.seed,
        batch_size: count(fields.batch_size),
        beta: neuron.beta,
        tau_adaptation: neuron.tau_adaptation,
        each: neuron.each,
        delay: count(fields.delay),
        clip_norm: fields.clip_norm,
        w_max: fields.w_max,
        lr_in: fields.lr_in,
        lr_rec: fields.lr_rec,
        lr_out: fields.lr_out,
        tau_syn: fields.tau_syn,
        connect_in: options::connect(fields.connect_in)?,
        connect_rec: options::connect(fields.connect_rec)?,
        sign: fields.sign.map(|signs| signs.0),
        ..Config::default()
    };
    Ok(AgentConfig {
        network,
        gamma: fields.gamma,
        lam: fields.lam,
        entropy: fields.entropy,
        value_weight: fields.value_weight,
        steps_per_action: count(fields.steps_per_action),
    })
}

fn update_every(every: Every) -> PyResult<UpdateEvery> {
    match every {
        Every::Steps(n) => Ok(UpdateEvery::Steps(count(n))),
        Every::Word(word) if word == "episode" => Ok(UpdateEvery::Sequence),
        Every::Word(word) => Err(PyValueError::new_err(format!(
            "update_every: expected a number of decisions >= 1 or \"episode\", got {word:?}"
        ))),
    }
}

/// What the agent sees in each of `n` environments, of whose decisions the rows are the steps, one after the other.
fn of_each<F: Real>(rows: &Array2<F>, n: usize) -> Vec<Inputs<'_, F>> {
    let steps = (rows.nrows() / n).max(1);
    let chunks = rows.axis_chunks_iter(Axis(0), steps);
    chunks.map(Inputs::from).collect()
}

fn rows<F: Real>(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Array2<F>> {
    matrix(
        &Table::new(name, object)?,
        "(environments x steps_per_action, n_inputs)",
    )
}

fn act<F: Real>(
    py: Python<'_>,
    cell: &Agent<F>,
    observation: &Bound<'_, PyAny>,
    greedy: bool,
) -> PyResult<Vec<usize>> {
    let _turn = cell.take(py)?;
    let rows = rows("observation", observation)?;
    let acted = py.detach(|| {
        let agent = &mut *cell.lock();
        let seen = of_each(&rows, agent.batch_size());
        match greedy {
            true => agent.act_greedily_batch(&seen),
            false => agent.act_batch(&seen),
        }
    });
    acted.map_err(error::raise)
}

fn learn<F: Real>(
    py: Python<'_>,
    cell: &Agent<F>,
    reward: &[f64],
    ends: &[(bool, bool)],
    last_observation: Option<&Bound<'_, PyAny>>,
    reset: bool,
) -> PyResult<()> {
    let _turn = cell.take(py)?;
    let rows = last_observation
        .map(|seen| rows("last_observation", seen))
        .transpose()?;
    let learned = py.detach(|| {
        let agent = &mut *cell.lock();
        let seen = rows
            .as_ref()
            .map_or_else(Vec::new, |rows| of_each(rows, agent.batch_size()));
        let next = ends
            .iter()
            .enumerate()
            .map(|(b, end)| match (end, seen.get(b)) {
                ((true, _), _) => Next::End,
                ((false, true), Some(&seen)) => Next::TimeLimit(seen),
                _ => Next::Decision,
            });
        agent.learn_batch(reward, &next.collect::<Vec<_>>(), reset)
    });
    learned.map_err(error::raise)
}

fn policy<'py, F: Real>(py: Python<'py>, cell: &Agent<F>) -> PyResult<Bound<'py, PyAny>> {
    let of = |agent: &eprop::EpropAgent<F>, b| {
        let policy = agent.policy(b).unwrap_or_default();
        policy.iter().map(|&p| F::cast(p)).collect::<Array1<F>>()
    };
    let rows = cell.run(py, |agent| {
        (0..agent.batch_size()).map(|b| of(agent, b)).collect()
    })?;
    give_rows(py, rows)
}

/// A number of every environment.
fn of_environments<F: Real>(
    agent: &eprop::EpropAgent<F>,
    of: impl Fn(&eprop::EpropAgent<F>, usize) -> Option<f64>,
) -> Vec<f64> {
    (0..agent.batch_size())
        .filter_map(|b| of(agent, b))
        .collect()
}
