//! What a user reads and assigns of an [`OnlineTrainer`]: its layers.

use alloc::format;

use ndarray::{Array1, Array2, ArrayView2};

use super::copies::{collected, or_panic, to_vector};
use crate::network::stage::Stage;
use crate::network::wiring::Wiring;
use crate::numbers::interrupt::Interrupt;
use crate::parts::check;
use crate::{Error, Float, OnlineTrainer};

impl<F: Float> OnlineTrainer<F> {
    /// Sizes from the inputs to the outputs.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// assert_eq!((trainer.layer_sizes(), trainer.n_layers()), (&[3, 8, 2][..], 2));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn layer_sizes(&self) -> &[usize] {
        &self.plan.sizes
    }

    /// Number of layers with weights. Example: [`layer_sizes`](Self::layer_sizes).
    pub fn n_layers(&self) -> usize {
        self.plan.sizes.len() - 1
    }

    /// Rows and columns of the weights of layer `l`; `None` where there is no such layer. Example: [`layer_w`](Self::layer_w).
    pub fn layer_dim(&self, l: usize) -> Option<(usize, usize)> {
        let below = self.plan.sizes.get(l)?;
        let here = self.plan.sizes.get(l + 1)?;
        Some((*here, *below))
    }

    fn stage(&self, l: usize) -> Option<&Stage<F>> {
        self.streams.first().stages.get(l)
    }

    /// The output of the last step, the last layer's spikes: a copy. Example: [`spikes`](Self::spikes).
    pub fn output(&self) -> Array1<F> {
        to_vector(self.streams.first().output())
    }

    /// Spikes of the last layer at the last step, a copy: the same as [`output`](Self::output).
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// assert_eq!(trainer.spikes(), trainer.output());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn spikes(&self) -> Array1<F> {
        self.output()
    }

    /// Weights of layer `l`, a copy (its size, the size below). Like the other readers of a layer it is `None` where there is no such layer.
    ///
    /// # Panics
    /// There is no memory for it: [`try_layer_w`](Self::try_layer_w) returns the error.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let mut trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// let w = ndarray::Array2::zeros((8, 3));
    /// trainer.set_layer_w(0, w.view())?;
    /// assert_eq!(trainer.layer_w(0), Some(w));
    /// assert_eq!(trainer.layer_v(1).map(|v| v.len()), Some(2));
    /// assert_eq!(trainer.layer_spikes(1).map(|z| z.len()), Some(2));
    /// assert_eq!(trainer.layer_psi(1).map(|psi| psi.len()), Some(2));
    /// assert_eq!(trainer.layer_z_bar(1).map(|z_bar| z_bar.len()), Some(8));
    /// assert!(trainer.layer_w(2).is_none());
    /// assert_eq!(trainer.layer_dim(0), Some((8, 3)));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn layer_w(&self, l: usize) -> Option<Array2<F>> {
        or_panic(self.try_layer_w(l))
    }

    /// As [`layer_w`](Self::layer_w).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no memory for it.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// # let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig::default())?;
    /// assert_eq!(trainer.try_layer_w(1)?, trainer.layer_w(1));
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn try_layer_w(&self, l: usize) -> Result<Option<Array2<F>>, Error> {
        let read = |_| {
            self.streams
                .first()
                .input_weights(l, &mut Interrupt::NOBODY.pace())
        };
        self.stage(l).map(read).transpose()
    }

    /// Assigns the weights of layer `l`. Example: [`layer_w`](Self::layer_w).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Value`] for NaN or infinity, and where there is no such layer.
    pub fn set_layer_w(&mut self, l: usize, w: ArrayView2<'_, F>) -> Result<(), Error> {
        let n_layers = self.n_layers();
        if l >= n_layers {
            return Err(Error::value(
                "layers",
                format!("an index below {n_layers}"),
                l,
            ));
        }
        let (p, n) = (self.plan.sizes[l], self.plan.sizes[l + 1]);
        check::matrix(format!("layers[{l}].W"), w, n, p)?;
        self.change(|this, pace| this.streams.alter(|first| first.assign_inputs(l, w, pace)))
    }

    /// Membranes of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_v(&self, l: usize) -> Option<Array1<F>> {
        self.layer_of_stream(0, l).map(|layer| layer.v())
    }

    /// Spikes of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_spikes(&self, l: usize) -> Option<Array1<F>> {
        self.layer_of_stream(0, l).map(|layer| layer.spikes())
    }

    /// Surrogate derivatives of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_psi(&self, l: usize) -> Option<Array1<F>> {
        self.layer_of_stream(0, l).map(|layer| layer.psi())
    }

    /// Traces of the sources of layer `l`, a copy. Example: [`layer_w`](Self::layer_w).
    pub fn layer_z_bar(&self, l: usize) -> Option<Array1<F>> {
        self.layer_of_stream(0, l).map(|layer| layer.z_bar())
    }

    /// The state of layer `l` in stream `b`; `None` where there is no such stream or layer.
    ///
    /// ```
    /// # use eprop::{OnlineTrainer, StackConfig};
    /// let trainer = OnlineTrainer::<f32>::new(&[3, 8, 2], StackConfig { batch_size: 4, ..StackConfig::default() })?;
    /// let state = trainer.layer_of_stream(3, 0).unwrap();
    /// assert_eq!((state.v().len(), state.spikes().len(), state.psi().len(), state.z_bar().len()), (8, 8, 8, 3));
    /// assert!(trainer.layer_of_stream(4, 0).is_none());
    /// # Ok::<(), eprop::Error>(())
    /// ```
    pub fn layer_of_stream(&self, b: usize, l: usize) -> Option<LayerState<'_, F>> {
        self.streams.get(b)?.stages.get(l).map(LayerState)
    }
}

/// What can be read of one layer in one stream. Example: [`OnlineTrainer::layer_of_stream`].
#[derive(Debug)]
pub struct LayerState<'a, F>(&'a Stage<F>);

impl<F: Float> LayerState<'_, F> {
    /// Membranes, a copy. Example: [`OnlineTrainer::layer_of_stream`].
    pub fn v(&self) -> Array1<F> {
        to_vector(self.0.neuron.v())
    }

    /// Spikes of the last step, a copy. Example: [`OnlineTrainer::layer_of_stream`].
    pub fn spikes(&self) -> Array1<F> {
        to_vector(self.0.neuron.z())
    }

    /// Surrogate derivatives of the last step, a copy. Example: [`OnlineTrainer::layer_of_stream`].
    pub fn psi(&self) -> Array1<F> {
        to_vector(self.0.neuron.psi())
    }

    /// Traces of the sources, a copy. Example: [`OnlineTrainer::layer_of_stream`].
    pub fn z_bar(&self) -> Array1<F> {
        collected(self.0.synapses.w.traces())
    }
}
