//! What a user reads and assigns of the synapses of an [`EpropTrainer`] where not all of them exist.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::ArrayView1;

use super::access::Matrix;
use crate::face::copies::or_panic;
use crate::numbers::memory::{self, vec_for};
use crate::numbers::wires::Wires;
use crate::options::wires::listed;
use crate::parts::check;
use crate::synapses::What;
use crate::{EpropTrainer, Error, Float, SynapseList};

impl<F: Float> EpropTrainer<F> {
    /// The synapses of `W_in` or `W_rec` that exist; `None` where all do, and for other matrices.
    ///
    /// # Panics
    /// There is no memory for the lists: [`try_synapses`](Self::try_synapses) returns the error.
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
        or_panic(self.try_synapses(matrix))
    }

    /// As [`synapses`](Self::synapses).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for the lists.
    ///
    /// ```
    /// # use eprop::{Config, Connect, EpropTrainer, Matrix};
    /// # let config = Config { connect_rec: Connect::Density(0.1), ..Config::default() };
    /// # let trainer = EpropTrainer::<f32>::new(3, 50, 2, config)?;
    /// assert_eq!(trainer.try_synapses(Matrix::WRec)?, trainer.synapses(Matrix::WRec));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_synapses(&self, matrix: Matrix) -> Result<Option<SynapseList>, Error> {
        let (Some(sources), Some(wires)) = (self.sources_of(matrix), &self.plan.wires) else {
            return Ok(None);
        };
        listed(wires, sources).map(Some)
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
}
