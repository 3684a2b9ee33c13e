//! What a file says of a network: its class, its sizes, and its weights as a user knows them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::{Array2, ArrayViewMut2};

use super::recurrent::Recurrent;
use super::stack::Stack;
use super::wiring::Wiring;
use crate::numbers::interrupt::Pace;
use crate::numbers::lazy::Layout;
use crate::numbers::memory::{fill, matrix, vec_for};
use crate::options::domain::valid_size;
use crate::options::plan::{Plan, Sizes, StackPlan};
use crate::options::{Config, Horizon, StackConfig};
use crate::parts::check;
use crate::synapses::What;
use crate::{Error, Float};

/// A network that can be made from a file.
pub trait Filed: Wiring {
    /// The name of its trainer in Python.
    const CLASS: &'static str;
    /// The plan of a network whose sizes and configuration are what they may be.
    ///
    /// # Errors
    /// [`Error::Value`], [`Error::TooLarge`].
    fn planned(sizes: &[usize], config: &Self::Config) -> Result<Self::Plan, Error>;
    /// The sizes, in the order of the constructor.
    fn widths(plan: &Self::Plan) -> Vec<usize>;
    /// Names and shapes of the weights.
    fn weights(plan: &Self::Plan) -> Vec<(String, Vec<usize>)>;
    /// Number `at` of them; a vector as one row.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Interrupted`].
    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<Self::F>, Error>;
    /// The learning rates of another configuration, which may change while a trainer lives.
    fn take_rates(config: &mut Self::Config, from: &Self::Config);
    /// The same without what takes memory that no file holds.
    fn without_horizon(config: &Self::Config) -> Self::Config {
        config.clone()
    }
}

impl<F: Float> Filed for Recurrent<F> {
    const CLASS: &'static str = "EpropTrainer";

    fn planned(sizes: &[usize], config: &Config) -> Result<Plan, Error> {
        let &[n_inputs, n, n_outputs] = sizes else {
            let expected = "three: n_inputs, n_neurons, n_outputs";
            return Err(Error::value("sizes", expected, sizes.len()));
        };
        valid_size("n_inputs", n_inputs)?;
        valid_size("n_neurons", n)?;
        valid_size("n_outputs", n_outputs)?;
        config.validate_for::<F>()?;
        let of = Sizes {
            n_inputs,
            n,
            n_outputs,
        };
        check::addressable(sizes, || of.to_string())?;
        Plan::of::<F>(of, config)
    }

    fn widths(plan: &Plan) -> Vec<usize> {
        let Sizes {
            n_inputs,
            n,
            n_outputs,
        } = plan.sizes;
        [n_inputs, n, n_outputs].to_vec()
    }

    fn weights(plan: &Plan) -> Vec<(String, Vec<usize>)> {
        let Sizes {
            n_inputs,
            n,
            n_outputs,
        } = plan.sizes;
        let [of_inputs, of_neurons] = match plan.listed() {
            // In the order of their lists.
            Some(wires) => wires.counts().map(|count| [count].to_vec()),
            None => [[n, n_inputs].to_vec(), [n, n].to_vec()],
        };
        [
            ("W_in".into(), of_inputs),
            ("W_rec".into(), of_neurons),
            ("W_out".into(), [n_outputs, n].to_vec()),
            ("B".into(), [n, n_outputs].to_vec()),
            ("b".into(), [n_outputs].to_vec()),
        ]
        .to_vec()
    }

    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        let (n_inputs, n, n_outputs) = (self.n_inputs(), self.layer.neuron.len(), self.n_outputs());
        if let (0 | 1, Some(wires)) = (at, self.listed()) {
            let sources = match at {
                0 => 0..n_inputs,
                _ => self.senders(),
            };
            let mut weights = vec_for("the weights", wires.count(sources.clone()))?;
            let synapses = &self.layer.synapses;
            synapses.read_listed(What::Weight, sources, wires, &mut weights, pace)?;
            let failed = |_| Error::TooLarge {
                sizes: "the weights".into(),
                bytes: None,
            };
            return Array2::from_shape_vec((1, weights.len()), weights).map_err(failed);
        }
        let (rows, columns) = match at {
            0 => (n, n_inputs),
            1 => (n, n),
            2 => (n_outputs, n),
            3 => (n, n_outputs),
            _ => (1, n_outputs),
        };
        let mut to = matrix("the weights", rows, columns)?;
        match at {
            0 => self.read_inward(What::Weight, 0..n_inputs, to.view_mut(), pace)?,
            1 => self.read_inward(What::Weight, n_inputs..n_inputs + n, to.view_mut(), pace)?,
            2 => self.read_w_out(to.view_mut())?,
            3 => self.read_b_feedback(to.view_mut())?,
            _ => {
                let b = self.head.readout.b();
                to.iter_mut().zip(b).for_each(|(to, &b)| *to = b);
            }
        }
        Ok(to)
    }

    fn take_rates(config: &mut Config, from: &Config) {
        config.lr = from.lr;
        config.lr_in = from.lr_in;
        config.lr_rec = from.lr_rec;
        config.lr_out = from.lr_out;
    }

    fn without_horizon(config: &Config) -> Config {
        Config {
            horizon: Horizon::Steps(1),
            ..config.clone()
        }
    }
}

impl<F: Float> Recurrent<F> {
    /// The weights from some sources, or their traces, a column for each.
    pub(crate) fn read_inward(
        &self,
        what: What,
        sources: Range<usize>,
        mut to: ArrayViewMut2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let first = sources.start;
        let synapses = &self.layer.synapses;
        synapses.read(what, sources, pace, &mut |source, row| {
            fill(to.column_mut(source - first), row);
            Ok(())
        })
    }

    pub(crate) fn read_w_out(&self, mut to: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let w_out = self.head.readout.w_out();
        let layout = w_out.layout();
        w_out.read(|at, row| {
            let line = match layout {
                Layout::ByTarget => to.row_mut(at),
                Layout::BySource => to.column_mut(at),
            };
            fill(line, row);
        })
    }

    /// `B`; `W_out^T` when symmetric.
    pub(crate) fn read_b_feedback(&self, mut to: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        if !self.head.feedback.has_own() {
            return self.read_w_out(to.reversed_axes());
        }
        let rows = self.head.feedback.rows();
        for (column, row) in to.columns_mut().into_iter().zip(rows) {
            fill(column, row);
        }
        Ok(())
    }
}

impl<F: Float> Filed for Stack<F> {
    const CLASS: &'static str = "OnlineTrainer";

    fn planned(sizes: &[usize], config: &StackConfig) -> Result<StackPlan, Error> {
        if sizes.len() < 2 {
            let got = format!("{} sizes", sizes.len());
            let expected = "at least two sizes, inputs and outputs";
            return Err(Error::value("layer_sizes", expected, got));
        }
        sizes
            .iter()
            .try_for_each(|&size| valid_size("layer_sizes", size))?;
        config.validate_for::<F>()?;
        config.fit(sizes.len() - 1)?;
        let plan = StackPlan::of(sizes, config);
        check::addressable(sizes, || Self::sizes(&plan))?;
        Ok(plan)
    }

    fn widths(plan: &StackPlan) -> Vec<usize> {
        plan.sizes.clone()
    }

    fn weights(plan: &StackPlan) -> Vec<(String, Vec<usize>)> {
        let pairs = plan.sizes.windows(2).enumerate();
        pairs
            .map(|(l, pair)| (format!("layers.{l}.W"), [pair[1], pair[0]].to_vec()))
            .collect()
    }

    fn read_weights(&self, at: usize, pace: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        self.input_weights(at, pace)
    }

    fn take_rates(config: &mut StackConfig, from: &StackConfig) {
        config.layer.lr = from.layer.lr;
    }
}
