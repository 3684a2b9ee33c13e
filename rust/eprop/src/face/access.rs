//! What a user reads and assigns of an [`EpropTrainer`]: copies out, whole arrays in, in (postsynaptic, presynaptic) shape.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};

use super::copies::{collected, or_panic, to_vector, zeros};
use crate::network::recurrent::Recurrent;
use crate::numbers::aligned::padded;
use crate::numbers::interrupt::{Interrupt, Pace};
use crate::numbers::memory::{self, vec_for};
use crate::numbers::wires::Wires;
use crate::options::wires::listed;
use crate::parts::check;
use crate::synapses::What;
use crate::{Engine, EpropTrainer, Error, Float, SynapseList};

/// A matrix of an [`EpropTrainer`] that can be read into memory of the caller's.
///
/// ```
/// use eprop::{Config, EpropTrainer, Matrix};
/// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
/// let mut w_in = ndarray::Array2::zeros(trainer.dim(Matrix::WIn));
/// trainer.read(Matrix::WIn, w_in.view_mut())?;
/// assert_eq!(w_in, trainer.w_in());
/// # Ok::<(), eprop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Input weights (N, n_inputs).
    WIn,
    /// Recurrent weights (N, N), diagonal 0.
    WRec,
    /// Readout weights (O, N).
    WOut,
    /// The feedback matrix `B` (N, O); `W_out^T` when symmetric.
    B,
    /// Eligibility traces (N, n_inputs + N) of a stream; 0 for a neuron's own source.
    EBar(usize),
    /// Presynaptic traces (N, n_inputs + N) of a stream, as each neuron has them; 0 for a neuron's own source.
    ZBar(usize),
}

impl<F: Float> EpropTrainer<F> {
    /// Which form of the synapses is at work: by sizes and options alone. Example: [`Engine`].
    pub fn engine(&self) -> Engine {
        self.plan.form
    }

    fn first(&self) -> &Recurrent<F> {
        self.streams.first()
    }

    /// Number of neurons N.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!((trainer.n_inputs(), trainer.n_neurons(), trainer.n_outputs()), (3, 8, 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_neurons(&self) -> usize {
        self.first().layer.neuron.len()
    }

    /// Rows and columns of a matrix. Example: [`Matrix`].
    pub fn dim(&self, matrix: Matrix) -> (usize, usize) {
        let (n_inputs, n, n_outputs) = (self.n_inputs(), self.n_neurons(), self.n_outputs());
        match matrix {
            Matrix::WIn => (n, n_inputs),
            Matrix::WRec => (n, self.first().senders().len()),
            Matrix::WOut => (n_outputs, n),
            Matrix::B => (n, n_outputs),
            Matrix::EBar(_) | Matrix::ZBar(_) => (n, self.first().senders().end),
        }
    }

    /// Reads a matrix into memory of the caller's, of the rows and columns that [`dim`](Self::dim) says. Only what is asked for is copied. Example: [`Matrix`].
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for a stream that there is not; [`Error::TooLarge`] where there is no memory for what has to be
    /// worked off to read it; [`Error::Interrupted`], and then only some of it has been read.
    pub fn read(&self, matrix: Matrix, to: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        self.read_until(matrix, to, self.streams.interrupt())
    }

    fn read_until(
        &self,
        matrix: Matrix,
        mut to: ArrayViewMut2<'_, F>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let mut pace = interrupt.pace();
        check::room("to", &to, self.dim(matrix))?;
        let (n_inputs, sources) = (self.n_inputs(), self.first().senders().end);
        match matrix {
            Matrix::WIn => self.first().read_inward(0..n_inputs, to, &mut pace),
            Matrix::WRec => self.first().read_inward(n_inputs..sources, to, &mut pace),
            Matrix::EBar(b) => {
                let synapses = &self.existing(b)?.layer.synapses;
                synapses.read(
                    What::Eligibility,
                    0..sources,
                    &mut pace,
                    &mut |source, row| {
                        let column = to.column_mut(source).into_iter();
                        column.zip(row).for_each(|(to, &x)| *to = x);
                        Ok(())
                    },
                )
            }
            Matrix::ZBar(b) => self.read_z_bar(self.existing(b)?, to, &mut pace),
            Matrix::WOut => self.first().read_w_out(to),
            Matrix::B => self.first().read_b_feedback(to),
        }
    }

    fn existing(&self, b: usize) -> Result<&Recurrent<F>, Error> {
        let missing = || Error::value("stream", "a stream of the batch", b);
        self.streams.get(b).ok_or_else(missing)
    }

    fn read_z_bar(
        &self,
        stream: &Recurrent<F>,
        mut to: ArrayViewMut2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let synapses = &stream.layer.synapses;
        if self.config.each.tau_mem.is_some() {
            return synapses.z_bar_rows(pace, &mut |source, row| {
                let column = to.column_mut(source).into_iter();
                column.zip(row).for_each(|(to, &x)| *to = x);
                Ok(())
            });
        }
        let mut source = 0;
        synapses.z_bar(&mut |z_bar| {
            to.column_mut(source).fill(z_bar);
            source += 1;
        });
        let n_inputs = self.n_inputs();
        let own = to.outer_iter_mut().enumerate();
        own.for_each(|(j, mut row)| row[n_inputs + j] = F::ZERO);
        Ok(())
    }

    /// A matrix in memory of its own.
    fn matrix(&self, matrix: Matrix) -> Array2<F> {
        let mut to = zeros(self.dim(matrix));
        or_panic(self.read_until(matrix, to.view_mut(), &Interrupt::NOBODY));
        to
    }

    /// Input weights, a copy (N, n_inputs).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// let doubled = trainer.w_in() * 2.0;
    /// trainer.set_w_in(doubled.view())?;
    /// assert_eq!(trainer.w_in(), doubled);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_in(&self) -> Array2<F> {
        self.matrix(Matrix::WIn)
    }

    /// Recurrent weights, a copy (N, N), diagonal 0.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.w_rec().diag().iter().all(|&w| w == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_rec(&self) -> Array2<F> {
        self.matrix(Matrix::WRec)
    }

    /// Readout weights, a copy (O, N).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.w_out().dim(), (2, 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn w_out(&self) -> Array2<F> {
        self.matrix(Matrix::WOut)
    }

    /// Readout biases, a copy (O,); 0 without `readout_bias`.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.b().to_vec(), [0.0, 0.0]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn b(&self) -> Array1<F> {
        to_vector(self.first().head.readout.b())
    }

    /// The feedback matrix `B`, a copy (N, O); `W_out^T` when symmetric.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.b_feedback(), trainer.w_out().reversed_axes());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn b_feedback(&self) -> Array2<F> {
        self.matrix(Matrix::B)
    }

    /// Assigns the input weights (N, n_inputs). Example: [`w_in`](Self::w_in).
    ///
    /// What the synapses hold in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity, for a weight where there is no synapse, and one of another sign than `sign` says;
    /// [`Error::Interrupted`], and then nothing has changed.
    pub fn set_w_in(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_in", w, self.n_neurons(), self.n_inputs())?;
        self.first().check_wires("W_in", 0, w)?;
        self.first().check_signs("W_in", 0, w)?;
        self.change(|this, pace| {
            this.streams
                .alter(|first| first.layer.synapses.assign(0, w, pace))
        })
    }

    /// Assigns the recurrent weights (N, N).
    ///
    /// What the synapses hold in factors is folded for good. Traces and all other weights stay as they read; later bits
    /// are those of the assigned weights, even if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN, infinity, a diagonal that is not 0, a weight where there is no synapse, and one of another sign than `sign` says;
    /// [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert!(trainer.set_w_rec(ndarray::Array2::ones((8, 8)).view()).is_err());
    /// trainer.set_w_rec(ndarray::Array2::zeros((8, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_rec(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        let (n, senders) = self.dim(Matrix::WRec);
        check::matrix("W_rec", w, n, senders)?;
        // Of a part of a network, there is no synapse where a neuron would reach itself.
        if self.plan.part.is_none() {
            check::no_self_connections("W_rec", w)?;
        }
        let n_inputs = self.n_inputs();
        self.first().check_wires("W_rec", n_inputs, w)?;
        self.first().check_signs("W_rec", n_inputs, w)?;
        self.change(|this, pace| {
            this.credit_so_far(pace)?;
            this.streams
                .alter(|first| first.layer.synapses.assign(n_inputs, w, pace))
        })
    }

    /// Before recurrent weights are assigned: what was learned so far is credited through the weights as they were.
    fn credit_so_far(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        match self.plan.credits() {
            0 => Ok(()),
            _ => self.streams.flush(pace),
        }
    }

    /// The synapses of `W_in` or `W_rec` that exist; `None` where all do, and for other matrices.
    ///
    /// ```
    /// use eprop::{Config, Connect, EpropTrainer, Matrix};
    /// let config = Config { connect_rec: Connect::Density(0.1), ..Config::default() };
    /// let trainer = EpropTrainer::<f32>::new(3, 50, 2, config)?;
    /// let there = trainer.synapses(Matrix::WRec).expect("some are missing");
    /// let weights = trainer.weights_of_synapses(Matrix::WRec)?;
    /// assert_eq!(there.all_targets().len(), weights.len());
    /// assert_eq!(weights[0], trainer.w_rec()[(there.targets(0)[0] as usize, 0)]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn synapses(&self, matrix: Matrix) -> Option<SynapseList> {
        let wires = self.plan.wires.as_ref()?;
        self.sources_of(matrix)
            .map(|sources| listed(wires, sources))
    }

    /// The weights of the synapses that exist, in the order of [`synapses`](Self::synapses). Example: there.
    ///
    /// # Errors
    /// [`Error::Value`] where all synapses exist; [`Error::TooLarge`], [`Error::Interrupted`].
    pub fn weights_of_synapses(&self, matrix: Matrix) -> Result<Vec<F>, Error> {
        let (sources, wires) = self.wired(matrix)?;
        let mut weights = vec_for("the weights of synapses", wires.count(sources.clone()))?;
        let synapses = &self.first().layer.synapses;
        let mut pace = self.streams.interrupt().pace();
        synapses.read_listed(What::Weight, sources, &wires, &mut weights, &mut pace)?;
        Ok(weights)
    }

    /// Assigns the weights of the synapses that exist, in the order of [`synapses`](Self::synapses).
    ///
    /// # Errors
    /// [`Error::Value`] where all synapses exist; as [`set_w_rec`](Self::set_w_rec).
    ///
    /// ```
    /// use eprop::{Config, Connect, EpropTrainer, Matrix};
    /// let config = Config { connect_in: Connect::Density(0.5), ..Config::default() };
    /// let mut trainer = EpropTrainer::<f32>::new(30, 4, 2, config)?;
    /// let doubled: Vec<f32> = trainer.weights_of_synapses(Matrix::WIn)?.iter().map(|w| 2.0 * w).collect();
    /// trainer.set_weights_of_synapses(Matrix::WIn, (&doubled[..]).into())?;
    /// assert_eq!(trainer.weights_of_synapses(Matrix::WIn)?, doubled);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_weights_of_synapses(
        &mut self,
        matrix: Matrix,
        weights: ArrayView1<'_, F>,
    ) -> Result<(), Error> {
        let (sources, wires) = self.wired(matrix)?;
        let name = if matrix == Matrix::WIn {
            "W_in"
        } else {
            "W_rec"
        };
        check::vector(name, weights, wires.count(sources.clone()))?;
        if self.is_listed() {
            self.first()
                .check_listed_signs(name, sources.clone(), weights)?;
            return self.change(|this, pace| {
                if matrix == Matrix::WRec {
                    this.credit_so_far(pace)?;
                }
                this.streams.alter(|first| {
                    let mut weights = weights.iter().copied();
                    let synapses = &mut first.layer.synapses;
                    synapses.assign_weights(sources.start, &mut weights, pace)
                })
            });
        }
        let (rows, columns) = self.dim(matrix);
        let mut dense = memory::matrix("the weights of synapses", rows, columns)?;
        let mut weights = weights.iter();
        for (column, source) in sources.enumerate() {
            for (&j, &w) in wires.targets(source).iter().zip(&mut weights) {
                dense[(j as usize, column)] = w;
            }
        }
        match matrix {
            Matrix::WIn => self.set_w_in(dense.view()),
            _ => self.set_w_rec(dense.view()),
        }
    }

    /// How many synapses there are from inputs (`W_in`) or between neurons (`W_rec`): of those that exist, where not all do.
    ///
    /// ```
    /// use eprop::{Config, EpropTrainer, Matrix};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!([Matrix::WIn, Matrix::WRec].map(|matrix| trainer.n_synapses(matrix)), [24, 56]);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn n_synapses(&self, matrix: Matrix) -> usize {
        let (n, columns) = self.dim(matrix);
        match (self.sources_of(matrix), &self.plan.wires) {
            (Some(sources), Some(wires)) => wires.count(sources),
            (Some(_), None) if matrix == Matrix::WRec => n * (n - 1),
            _ => n * columns,
        }
    }

    /// Whether rows are lists of the synapses that exist, where not all do; otherwise they have a place for each neuron. By sizes and options alone. The
    /// gradients of `W_in` and `W_rec` are a row of the numbers of their synapses then, (1, synapses), in the order of [`synapses`](Self::synapses).
    ///
    /// ```
    /// use eprop::{Config, Connect, EpropTrainer};
    /// let config = Config { connect_rec: Connect::Density(0.1), ..Config::default() };
    /// assert!(EpropTrainer::<f32>::new(3, 50, 2, config)?.is_listed());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn is_listed(&self) -> bool {
        self.plan.is_listed
    }

    /// The filtered eligibilities of the synapses that exist, of a stream, inputs first, in the order of their lists.
    ///
    /// # Errors
    /// [`Error::Value`] where all synapses exist, and for a stream that there is not; [`Error::TooLarge`], [`Error::Interrupted`].
    ///
    /// ```
    /// use eprop::{Config, Connect, EpropTrainer};
    /// let config = Config { connect_rec: Connect::Density(0.1), ..Config::default() };
    /// let trainer = EpropTrainer::<f32>::new(3, 50, 2, config)?;
    /// assert!(trainer.traces_of_synapses(0)?.iter().all(|&e_bar| e_bar == 0.0));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn traces_of_synapses(&self, stream: usize) -> Result<Vec<F>, Error> {
        let (_, wires) = self.wired(Matrix::WIn)?;
        let sources = 0..self.first().senders().end;
        let mut traces = vec_for("the traces of synapses", wires.len())?;
        let synapses = &self.existing(stream)?.layer.synapses;
        let mut pace = self.streams.interrupt().pace();
        synapses.read_listed(What::Eligibility, sources, &wires, &mut traces, &mut pace)?;
        Ok(traces)
    }

    fn wired(&self, matrix: Matrix) -> Result<(Range<usize>, Arc<Wires>), Error> {
        let sources = self.sources_of(matrix);
        sources.zip(self.plan.wires.clone()).ok_or_else(|| {
            let expected = "W_in or W_rec of a network with connect_in or connect_rec";
            Error::value("matrix", expected, alloc::format!("{matrix:?}"))
        })
    }

    fn sources_of(&self, matrix: Matrix) -> Option<Range<usize>> {
        match matrix {
            Matrix::WIn => Some(0..self.n_inputs()),
            Matrix::WRec => Some(self.first().senders()),
            _ => None,
        }
    }

    /// Assigns the readout weights (O, N).
    ///
    /// What the readouts hold in factors is folded for good. Traces and all other weights stay; later bits are those of the assigned weights, even
    /// if these are what was just read.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`] for NaN or infinity; [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// trainer.set_w_out(ndarray::Array2::zeros((2, 8)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_w_out(&mut self, w: ArrayView2<'_, F>) -> Result<(), Error> {
        check::matrix("W_out", w, self.n_outputs(), self.n_neurons())?;
        self.flush()?;
        let assign = |first: &mut Recurrent<F>| {
            let w_of = |j: usize, k: usize| w[(k, j)];
            first.head.assign_readouts(w_of);
        };
        self.streams.alter(assign);
        Ok(())
    }

    /// Assigns the readout biases (O,).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and without `readout_bias`.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { readout_bias: true, ..Config::default() })?;
    /// trainer.set_b(&[0.1, 0.2])?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b<'b>(&mut self, b: impl Into<ArrayView1<'b, F>>) -> Result<(), Error> {
        let b = b.into();
        if !self.first().head.readout.has_bias() {
            return Err(Error::value(
                "b",
                "a trainer with readout_bias = true",
                "readout_bias = false",
            ));
        }
        check::vector("b", b, self.n_outputs())?;
        let b = b.iter().copied();
        self.streams.alter(|first| first.head.readout.set_b(b));
        Ok(())
    }

    /// Assigns the feedback matrix `B` (N, O).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and with symmetric feedback; [`Error::Interrupted`], and then nothing has changed.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Feedback};
    /// let mut trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { feedback: Feedback::Random, ..Config::default() })?;
    /// trainer.set_b_feedback(ndarray::Array2::ones((8, 2)).view())?;
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn set_b_feedback(&mut self, b: ArrayView2<'_, F>) -> Result<(), Error> {
        if !self.first().head.feedback.has_own() {
            let got = "symmetric feedback, whose B is W_out^T";
            return Err(Error::value(
                "B",
                "a trainer with feedback = \"random\" or \"adaptive\"",
                got,
            ));
        }
        check::matrix("B", b, self.n_neurons(), self.n_outputs())?;
        self.flush()?;
        self.streams
            .alter(|first| first.head.assign_feedback(|j, k| b[(j, k)]));
        Ok(())
    }

    /// What was learned so far goes through `B` as it is.
    fn flush(&mut self) -> Result<(), Error> {
        let interrupt = self.streams.interrupt().clone();
        self.streams.flush(&mut interrupt.pace())
    }

    /// Membranes of the first stream, a copy (N,); [`stream`](Self::stream) reads the others.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// # let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config::default())?;
    /// assert_eq!(trainer.v().len(), 8);
    /// assert_eq!(trainer.spikes().len(), 8);
    /// assert_eq!(trainer.output().len(), 2);
    /// assert_eq!(trainer.z_bar().len(), 3 + 8);
    /// assert_eq!(trainer.e_bar().dim(), (8, 3 + 8));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn v(&self) -> Array1<F> {
        StreamState(self.first()).v()
    }

    /// Adaptations `a` of the first stream, a copy (N,): 0 where no threshold moves.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let mut trainer = EpropTrainer::<f32>::new(1, 1, 1, Config { beta: 0.2, ..Config::default() })?;
    /// trainer.set_w_in(ndarray::array![[5.0]].view())?;
    /// trainer.step(ndarray::aview1(&[1.0]), None)?;
    /// trainer.step(ndarray::aview1(&[0.0]), None)?;
    /// // A spike, one step late.
    /// assert_eq!(trainer.a()[0], 1.0);
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn a(&self) -> Array1<F> {
        StreamState(self.first()).a()
    }

    /// Spikes of the last step, a copy (N,). Example: [`v`](Self::v).
    pub fn spikes(&self) -> Array1<F> {
        StreamState(self.first()).spikes()
    }

    /// Readouts, a copy (O,). Example: [`v`](Self::v).
    pub fn output(&self) -> Array1<F> {
        StreamState(self.first()).output()
    }

    /// The surrogate derivatives of the last step, a copy (N,). Example: [`l`](Self::l).
    pub fn psi(&self) -> Array1<F> {
        StreamState(self.first()).psi()
    }

    /// The learning signal `L` of the last step, a copy (N,): what reached the synapses, 0 of a step without learning.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, Lesson};
    /// # let mut trainer = EpropTrainer::<f64>::new(3, 8, 2, Config::default())?;
    /// let (x, own) = (ndarray::Array1::ones(3), ndarray::Array1::from_elem(8, 0.5));
    /// trainer.step(x.view(), Lesson { signal: Some(own.view()), ..Lesson::default() })?;
    /// assert_eq!((trainer.psi().len(), trainer.l()), (8, own));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn l(&self) -> Array1<F> {
        StreamState(self.first()).l()
    }

    /// Presynaptic traces, a copy (n_inputs + N,). Example: [`v`](Self::v). Where each neuron has its own
    /// [`tau_mem`](crate::PerNeuron::tau_mem) there is no such vector: it is empty, and [`z_bars`](Self::z_bars) has the traces.
    pub fn z_bar(&self) -> Array1<F> {
        StreamState(self.first()).z_bar()
    }

    /// Presynaptic traces as each neuron has them, a copy (N, n_inputs + N); 0 for a neuron's own source.
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer, PerNeuron};
    /// let each = PerNeuron { tau_mem: Some([5.0, 20.0].to_vec()), ..PerNeuron::default() };
    /// let mut trainer = EpropTrainer::<f64>::new(1, 2, 1, Config { each, ..Config::default() })?;
    /// for x in [1.0, 0.0] {
    ///     trainer.step(ndarray::aview1(&[x]), None)?;
    /// }
    /// let z_bars = trainer.z_bars();
    /// assert_eq!((z_bars[[0, 0]], z_bars[[1, 0]]), ((-1.0_f64 / 5.0).exp(), (-1.0_f64 / 20.0).exp()));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn z_bars(&self) -> Array2<F> {
        self.matrix(Matrix::ZBar(0))
    }

    /// Eligibility traces, a copy (N, n_inputs + N); 0 for a neuron's own source. Example: [`v`](Self::v).
    ///
    /// # Panics
    /// There is no memory for it: [`read`](Self::read) returns the error.
    pub fn e_bar(&self) -> Array2<F> {
        self.matrix(Matrix::EBar(0))
    }

    /// The state of stream `b`; `None` where there is no such stream.
    ///
    /// ```
    /// # use eprop::{Config, EpropTrainer};
    /// let trainer = EpropTrainer::<f32>::new(3, 8, 2, Config { batch_size: 4, ..Config::default() })?;
    /// let state = trainer.stream(3).unwrap();
    /// assert_eq!((state.v().len(), state.spikes().len(), state.output().len(), state.z_bar().len()), (8, 8, 2, 3 + 8));
    /// assert!(trainer.stream(4).is_none());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn stream(&self, b: usize) -> Option<StreamState<'_, F>> {
        self.streams.get(b).map(StreamState)
    }
}

/// What can be read of one stream. Example: [`EpropTrainer::stream`].
#[derive(Debug)]
pub struct StreamState<'a, F>(&'a Recurrent<F>);

impl<F: Float> StreamState<'_, F> {
    /// Membranes, a copy (N,). Example: [`EpropTrainer::stream`].
    pub fn v(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.v())
    }

    /// Adaptations, a copy (N,). Example: [`EpropTrainer::a`].
    pub fn a(&self) -> Array1<F> {
        collected(self.0.layer.neuron.a())
    }

    /// Spikes of the last step, a copy (N,). Example: [`EpropTrainer::stream`].
    pub fn spikes(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.z())
    }

    /// Readouts, a copy (O,). Example: [`EpropTrainer::stream`].
    pub fn output(&self) -> Array1<F> {
        to_vector(self.0.head.readout.y())
    }

    /// The surrogate derivatives of the last step, a copy (N,). Example: [`EpropTrainer::l`].
    pub fn psi(&self) -> Array1<F> {
        to_vector(self.0.layer.neuron.psi())
    }

    /// The learning signal of the last step, a copy (N,). Example: [`EpropTrainer::l`].
    pub fn l(&self) -> Array1<F> {
        let mut l = alloc::vec![F::ZERO; padded::<F>(self.0.layer.neuron.len())];
        self.0.head.read_l(&mut l);
        l.truncate(self.0.layer.neuron.len());
        l.into()
    }

    /// Presynaptic traces, a copy (n_inputs + N,). Example: [`EpropTrainer::stream`]. Where each neuron has its own
    /// [`tau_mem`](crate::PerNeuron::tau_mem) it is empty, and [`Matrix::ZBar`] has the traces.
    pub fn z_bar(&self) -> Array1<F> {
        let mut z_bar = alloc::vec::Vec::new();
        self.0.layer.synapses.z_bar(&mut |trace| z_bar.push(trace));
        z_bar.into()
    }
}
