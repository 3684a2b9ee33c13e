//! A recurrent population: sources, synapses, neurons, and the regulariser of their firing rates.

use crate::numbers::aligned::Aligned;
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::room::Room;
use crate::numbers::step::Step;
use crate::numbers::walk::parts;
use crate::options::Config;
use crate::options::plan::Plan;
use crate::parts::delay::Delay;
use crate::parts::input::{Input, Inputs};
use crate::parts::neuron::Neuron;
use crate::parts::others::Others;
use crate::parts::regulariser::Regulariser;
use crate::parts::signal::{Backward, Signal};
use crate::parts::sources::SourceList;
use crate::synapses::Form;
use crate::{Error, Float};

/// N neurons that are each other's sources.
#[derive(Debug)]
pub(crate) struct Layer<F> {
    /// `s = [x ; z]` of the step before the neurons fire.
    sources: SourceList<F>,
    current: Aligned<F>,
    pub(crate) synapses: Form<F>,
    pub(crate) neuron: Neuron<F>,
    /// Spikes under way to the other neurons.
    delay: Delay<F>,
    regulariser: Regulariser<F>,
    /// Where neurons of other processes are sources, too.
    pub(crate) others: Option<Others<F>>,
    /// Whether the synapses read `L`.
    pub(crate) reads_signal: bool,
}

parts!(Layer {
    State: [synapses, neuron, delay, regulariser, others],
    Scratch: [sources, current],
});

impl<F: Float> Layer<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(crate) fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        let shared = first.and_then(|first| first.synapses.shared_under(plan));
        Ok(Self {
            sources: SourceList::new(room, plan.sizes.n_inputs, plan.senders())?,
            current: room.zeros(1, plan.stride::<F>())?,
            synapses: Form::new(room, plan, config, shared.as_ref())?,
            neuron: Neuron::new(room, plan.sizes.n, &config.layer())?,
            delay: Delay::new(room, plan.sizes.n, config.delay)?,
            regulariser: Regulariser::new(room, plan, config)?,
            others: others(room, plan)?,
            reads_signal: plan.reads_signal(),
        })
    }

    /// Lines 1 to 4 of docs/method.md: who fires.
    pub(crate) fn forward(&mut self, x: Input<'_, F>, learning: Kinds<bool>) {
        let arrived = match &self.others {
            Some(others) => others.fired(),
            None => self.delay.pass(&self.neuron),
        };
        self.sources.take(x, arrived);
        self.synapses
            .drive(&self.sources.get(), learning, &mut self.current);
        self.neuron.step(&self.current);
    }

    /// Puts the sums over all parts of the network in the place of numbers of this one.
    pub(crate) fn add_up(&mut self, numbers: &mut [f64]) {
        if let Some(others) = &mut self.others {
            others.add_up(numbers);
        }
    }

    /// Whether steps without a target teach, too.
    pub(crate) fn is_regularised(&self) -> bool {
        self.regulariser.is_on()
    }

    /// The squared length of the gradient that this step's signal makes, without the regulariser: of a gradient that is applied with its step.
    pub(crate) fn squared_length_of_step(&mut self, l: &[F]) -> Kinds<f64> {
        self.synapses.length_of_step(self.neuron.padded_psi(), l)
    }

    /// Learns from the errors of this step and what `B` makes of them.
    pub(crate) fn learn(
        &mut self,
        err: &[F],
        b: Backward<'_, F>,
        l: &[F],
        at_once: Option<Kinds<Step<'_, F>>>,
    ) {
        let r = self.regulariser.step(self.neuron.padded_z());
        let signal = Signal { err, b, l, r };
        self.synapses.learn(
            &self.sources.get(),
            self.neuron.padded_psi(),
            Some(signal),
            at_once,
        );
    }

    /// Learns from `L` of the step that has just been learned, of synapses that read `B err` alone.
    pub(crate) fn learn_from(&mut self, l: &[F]) {
        self.synapses.learn_from(l);
    }

    /// Moves the eligibility on without learning.
    pub(crate) fn move_on(&mut self) {
        self.synapses
            .learn(&self.sources.get(), self.neuron.padded_psi(), None, None);
    }

    /// Before the steps from `t` on: where inputs are dense, what they send may be worked out at once.
    pub(crate) fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        if self.sources.is_dense() {
            self.synapses.look_ahead(inputs, t);
        }
    }

    /// Before an update that measures nothing: works the gradient off, unless it is stopped.
    pub(crate) fn settle(&mut self, steps: u64, pace: &mut Pace<'_>) -> Result<(), Error> {
        // Such an update takes the sequence's regulariser with the loss in one sum.
        if self.regulariser.coefficients(steps).is_none() {
            self.synapses.settle(pace)?;
        }
        Ok(())
    }

    /// Applies the gradient of the last `steps` steps.
    pub(crate) fn update(&mut self, n_steps: u64, steps: Kinds<Step<'_, F>>) {
        let r = self.regulariser.coefficients(n_steps);
        self.synapses.update(r, steps);
    }

    /// The squared length of the gradient of the last `steps` steps, with the regulariser.
    pub(crate) fn whole_length(&mut self, steps: u64, pace: &mut Pace<'_>) -> Result<f64, Error> {
        self.synapses
            .whole_length(self.regulariser.coefficients(steps), pace)
    }

    /// Adds the gradient of the last `steps` steps to a sum over streams.
    pub(crate) fn collect(&mut self, steps: u64, sum: &mut [F]) {
        self.synapses
            .collect(self.regulariser.coefficients(steps), sum);
    }

    /// As [`collect`](Self::collect), unless it is stopped: then the gradient is lost.
    pub(crate) fn collect_until(
        &mut self,
        steps: u64,
        sum: &mut [F],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        self.synapses
            .collect_until(self.regulariser.coefficients(steps), sum, pace)
    }

    /// The gradient has been used: the next sequence's count starts.
    pub(crate) fn updated(&mut self) {
        self.regulariser.updated();
    }

    pub(crate) fn reset(&mut self) {
        self.synapses.reset();
        self.neuron.reset();
        self.delay.reset();
        self.regulariser.reset();
        if let Some(others) = &mut self.others {
            others.reset();
        }
    }
}

/// The other parts of the network of a plan, silent; `None` where it has none.
pub(crate) fn others<F: Float>(room: &mut Room, plan: &Plan) -> Result<Option<Others<F>>, Error> {
    let Some(part) = &plan.part else {
        return Ok(None);
    };
    let (n, n_sums) = (plan.sizes.n, plan.sizes.n_outputs);
    Others::new(room, part, n, n_sums, plan.peers.clone()).map(Some)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use ndarray::array;

    use super::{Backward, Config, Kinds, Layer, Plan, Step};
    use crate::Float;
    use crate::numbers::shared::Shared;
    use crate::numbers::walk;
    use crate::options::plan::Sizes;
    use crate::options::{Engine, Optimizer, UpdateEvery};
    use crate::parts::input::Input;
    use crate::parts::signal::Lies;
    use crate::synapses::What;
    use crate::testing::{aligned, in_both, made, near, unasked};

    const FORMS: [Engine; 3] = [Engine::Textbook, Engine::Factored, Engine::Block];

    fn config(engine: Engine) -> Config {
        // psi is 1 wherever a membrane is, and every time constant is so long that nothing decays much.
        Config {
            engine: Some(engine),
            surrogate: crate::options::Surrogate::Boxcar,
            surrogate_height: Some(1.0),
            surrogate_width: Some(100.0),
            optimizer: Optimizer::PLAIN_SGD,
            ..Config::default()
        }
    }

    /// One input and two neurons: the input drives the first, and the first drives the second.
    fn layer<F: Float>(config: &Config) -> Layer<F> {
        let plan = Plan::of::<F>(
            Sizes {
                n_inputs: 1,
                n: 2,
                n_outputs: 1,
            },
            config,
        )
        .unwrap();
        let mut layer = made(|room| Layer::new(room, &plan, config, None));
        layer
            .synapses
            .assign(0, array![[F::cast(1.5)], [F::ZERO]].view(), &mut unasked())
            .unwrap();
        layer
            .synapses
            .assign(
                1,
                array![[F::ZERO, F::ZERO], [F::cast(2.0), F::ZERO]].view(),
                &mut unasked(),
            )
            .unwrap();
        layer
    }

    fn b<F: Float>() -> Shared<F> {
        aligned(&[F::ONE; 16]).into()
    }

    fn learn<F: Float>(layer: &mut Layer<F>, err: f64, at_once: Option<f64>) {
        let b = b::<F>();
        let backward = Backward {
            rows: &b,
            lies: Lies::ByOutput,
            factors: None,
        };
        let mut l = [F::ZERO; 16];
        l[..2].fill(F::cast(err));
        layer.learn(
            &[F::cast(err)],
            backward,
            &l,
            at_once.map(|eta| Kinds::same(Step::Descend { eta: F::cast(eta) })),
        );
    }

    fn rows<F: Float>(layer: &Layer<F>, what: What) -> Vec<F> {
        let mut rows = vec![];
        layer
            .synapses
            .read(what, 0..3, &mut unasked(), &mut |_, row| {
                rows.extend_from_slice(row);
                Ok(())
            })
            .unwrap();
        rows
    }

    in_both! {
        fn spikes_reach_the_other_neurons_one_step_later<F>() {
            for engine in FORMS {
                let mut layer = layer::<F>(&config(engine));
                layer.forward(Input::spikes(&[0]), Kinds::same(true));
                assert_eq!(layer.neuron.fired(), [0]);
                near("v", layer.neuron.v(), &[1.5, 0.0]);
                learn(&mut layer, 0.0, Some(0.0));
                layer.forward(Input::spikes(&[]), Kinds::same(true));
                assert_eq!(layer.neuron.fired(), [1]);
                near("v", layer.neuron.v(), &[1.5 * libm::exp(-0.05) - 1.0, 2.0]);
            }
        }
    }

    in_both! {
        fn learning_takes_the_psi_of_the_step_and_following_moves_traces_alone<F>() {
            for engine in FORMS {
                let update_every = UpdateEvery::Steps(if engine == Engine::Block { 50 } else { 2 });
                let mut layer = layer::<F>(&Config { update_every, ..config(engine) });
                let before = rows(&layer, What::Weight);
                layer.forward(Input::spikes(&[0]), Kinds::same(true));
                learn(&mut layer, 0.5, None);
                // e_bar of the input is psi = 1 for both, and so is L e_bar half.
                near("e_bar", &rows(&layer, What::Eligibility), &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
                layer.forward(Input::spikes(&[]), Kinds::same(false));
                layer.move_on();
                let (alpha, kappa_e) = (libm::exp(-0.05), libm::exp(-0.05));
                let of_input = kappa_e + alpha;
                near("e_bar", &rows(&layer, What::Eligibility), &[of_input, of_input, 0.0, 1.0, 0.0, 0.0]);
                layer.update(1, Kinds::same(Step::Descend { eta: F::ONE }));
                let mut expected: Vec<_> = before.iter().map(|w| w.to_f64()).collect();
                expected[0] -= 0.5;
                expected[1] -= 0.5;
                near("W", &rows(&layer, What::Weight), &expected);
            }
        }
    }

    in_both! {
        fn the_regulariser_teaches_raw_traces_and_starts_again_after_a_sequence<F>() {
            // f_target of 0.5 spikes per step; both coefficients from the spikes of the layer itself.
            let config = Config { c_reg: 4.0, f_target: 500.0, update_every: UpdateEvery::Sequence, ..config(Engine::Block) };
            let mut layer = layer::<F>(&config);
            let before = rows(&layer, What::Weight);
            layer.forward(Input::spikes(&[0]), Kinds::same(true));
            learn(&mut layer, 0.0, None);
            let mut sum = vec![F::ZERO; 3 * 16];
            // One step: the first neuron fired, the second did not. sum_t e of the input is 1 for both.
            layer.collect(1, &mut sum);
            near("gradient", &sum[..2], &[4.0 * 0.5, -4.0 * 0.5]);
            layer.updated();
            layer.forward(Input::spikes(&[]), Kinds::same(true));
            learn(&mut layer, 0.0, None);
            sum.fill(F::ZERO);
            layer.collect(1, &mut sum);
            // Now the second fired. z_bar of the input has decayed by a step.
            near("gradient", &sum[..2], &[-2.0 * libm::exp(-0.05), 2.0 * libm::exp(-0.05)]);
            near("W", &rows(&layer, What::Weight), &before.iter().map(|w| w.to_f64()).collect::<Vec<_>>());
        }
    }

    in_both! {
        fn a_stream_teaches_raw_traces_at_every_step<F>() {
            let config = Config { c_reg: 4.0, f_target: 500.0, tau_reg: 50.0, ..config(Engine::Textbook) };
            let mut layer = layer::<F>(&config);
            layer.forward(Input::spikes(&[0]), Kinds::same(true));
            learn(&mut layer, 0.0, Some(0.25));
            let m = 1.0 - libm::exp(-1.0 / 50.0);
            let r = |z: f64| 4.0 * (z - 0.5) * m * m;
            near("W", &rows(&layer, What::Weight)[..2], &[1.5 - 0.25 * r(1.0), -0.25 * r(0.0)]);
        }
    }

    in_both! {
        fn only_dense_inputs_are_worked_out_ahead<F>() {
            let plan = |config: &Config| Plan::of::<F>(Sizes { n_inputs: 20, n: 2, n_outputs: 1 }, config).unwrap();
            let config = Config { update_every: UpdateEvery::Sequence, ..config(Engine::Block) };
            for (first, is_ahead) in [(F::ONE, true), (F::ZERO, false)] {
                let mut layer = made(|room| Layer::<F>::new(room, &plan(&config), &config, None));
                let mut x = ndarray::Array2::from_elem((3, 20), F::ONE);
                x.row_mut(0).fill(first);
                layer.forward(x.row(0).into(), Kinds::same(true));
                layer.look_ahead(x.view().into(), 1);
                // What is worked out ahead is sent, whatever comes.
                layer.synapses.assign(0, ndarray::Array2::from_elem((2, 20), F::ONE).view(), &mut unasked()).unwrap();
                layer.forward(x.row(1).into(), Kinds::same(true));
                assert_eq!(layer.neuron.v()[0] == F::ZERO, is_ahead);
            }
        }
    }

    in_both! {
        fn a_reset_is_silence<F>() {
            for engine in FORMS {
                let config = Config { c_reg: 1.0, ..config(engine) };
                let mut layer = layer::<F>(&config);
                layer.forward(Input::spikes(&[0]), Kinds::same(true));
                learn(&mut layer, 0.0, Some(0.0));
                layer.reset();
                layer.synapses.catch_up();
                let mut fresh = self::layer::<F>(&config);
                fresh.synapses.catch_up();
                near("W", &rows(&layer, What::Weight), &rows(&fresh, What::Weight).iter().map(|w| w.to_f64()).collect::<Vec<_>>());
                assert!(walk::same(&layer.neuron, &fresh.neuron) && walk::same(&layer.regulariser, &fresh.regulariser));
                assert!(rows(&layer, What::Eligibility).iter().all(|&e_bar| e_bar == F::ZERO));
            }
        }
    }
}
