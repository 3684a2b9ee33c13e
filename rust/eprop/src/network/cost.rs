//! What a step of one stream costs, by its leading terms: the rows of weights and traces that it passes. What neurons and readouts do beside them is
//! taken as so many numbers each.

use core::ops::Add;

use crate::Float;
use crate::numbers::aligned::padded;
use crate::options::plan::{Plan, StackPlan};
use crate::options::{Config, Engine, StackConfig, UpdateEvery};
use crate::synapses::PATIENCE;

/// Multiply-adds, and numbers read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub(crate) multiply_adds: f64,
    pub(crate) numbers: f64,
}

impl Work {
    const fn of(multiply_adds: f64, numbers: f64) -> Self {
        Self {
            multiply_adds,
            numbers,
        }
    }

    fn times(self, n: f64) -> Self {
        Self::of(self.multiply_adds * n, self.numbers * n)
    }
}

impl Add for Work {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::of(
            self.multiply_adds + other.multiply_adds,
            self.numbers + other.numbers,
        )
    }
}

/// What a step costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Whoever is active.
    pub(crate) step: Work,
    /// More for each source that is.
    pub(crate) spike: Work,
    /// Sources.
    pub(crate) sources: f64,
}

/// Of a neuron: membrane, surrogate, threshold, its filtered spikes.
const NEURON: Work = Work::of(8.0, 10.0);
/// Of a row that is added to another.
const ADDED: Work = Work::of(1.0, 3.0);
/// Of a row that is only read into a sum that lies in the cache.
const READ: Work = Work::of(1.0, 1.0);

impl Cost {
    pub(crate) fn of_recurrent<F: Float>(plan: &Plan, config: &Config) -> Self {
        let of_all = plan.stride::<F>() as f64;
        let (n, n_outputs) = (plan.sizes.n as f64, plan.sizes.n_outputs as f64);
        let sources = plan.sources() as f64;
        // Of synapses that are listed, on average.
        let row = (plan.listed()).map_or(of_all, |wires| wires.len() as f64 / sources);
        let (of_step, of_spike) = match plan.form {
            Engine::Textbook => textbook(plan, config),
            Engine::Block => block(plan, config, row),
            Engine::Factored => factored(plan, config),
        };
        // Passes over all rows, per row; what has N numbers; and the product with B.
        let of_neurons = NEURON + of_step.neurons;
        let of_readouts = Work::of(2.0, 1.0).times(n * n_outputs);
        Self {
            step: of_step.rows.times(sources * row) + of_neurons.times(of_all) + of_readouts,
            spike: of_spike.times(row) + READ.times(n_outputs),
            sources,
        }
    }

    /// Each layer's spikes add and follow a row; the signal for the layer below passes all of them.
    pub(crate) fn of_stack<F: Float>(plan: &StackPlan, config: &StackConfig) -> Self {
        let mut cost = Self::default();
        let mut of_spikes = Work::default();
        for (layer, pair) in plan.sizes.windows(2).enumerate() {
            let (p, row) = (pair[0] as f64, padded::<F>(pair[1]) as f64);
            let signal = match layer {
                0 => Work::default(),
                _ => READ.times(p),
            };
            let update = match plan.at_once {
                true => Work::default(),
                false => update(config.update_every, config.optimizer.n_moments()).times(p),
            };
            cost.step = cost.step + (NEURON + Work::of(3.0, 4.0) + signal + update).times(row);
            of_spikes = of_spikes + (READ + ADDED).times(p * row);
            cost.sources += p;
        }
        cost.spike = of_spikes.times(1.0 / cost.sources);
        cost
    }
}

/// What a step does to every row, per number of it, and to what has a number for each neuron.
struct Step {
    rows: Work,
    neurons: Work,
}

/// Of an update, per number of a row and step: weights, gradient and moments are read and written.
fn update(update_every: UpdateEvery, n_moments: usize) -> Work {
    let moments = n_moments as f64;
    match update_every {
        // It comes once, however long the sequence is.
        UpdateEvery::Sequence => Work::default(),
        UpdateEvery::Steps(n) => {
            Work::of(1.0 + 3.0 * moments, 4.0 + 2.0 * moments).times(1.0 / n as f64)
        }
    }
}

fn textbook(plan: &Plan, config: &Config) -> (Step, Work) {
    // e_bar, and the gradient or the weights.
    let mut rows = Work::of(3.0, 4.0);
    if plan.streamed_regulariser {
        rows = rows + Work::of(2.0, 0.0);
    }
    if plan.sums_raw_traces() {
        rows = rows + ADDED;
    }
    if config.layer().is_adaptive() {
        rows = rows + Work::of(4.0, 4.0);
    }
    if config.each.tau_mem.is_some() {
        rows = rows + Work::of(2.0, 4.0);
    }
    if !plan.at_once {
        rows = rows + update(config.update_every, config.optimizer.n_moments());
    }
    let neurons = Work::default();
    (Step { rows, neurons }, READ)
}

fn block(plan: &Plan, config: &Config, row: f64) -> (Step, Work) {
    let sums = 2.0 + f64::from(u8::from(plan.sums_raw_traces()));
    // At its end, each sum takes what earlier blocks left, and a row for each spike.
    let ends = Work::of(2.0, 4.0).times(sums / plan.block.max(1) as f64);
    let rows = ends + update(config.update_every, config.optimizer.n_moments());
    let scan = Work::of(plan.sizes.n_outputs as f64 + 3.0 * sums, 2.0 + 2.0 * sums);
    let credit = READ.times(plan.credits() as f64 * row);
    let neurons = scan + credit;
    (Step { rows, neurons }, READ + ADDED.times(sums))
}

fn factored(plan: &Plan, config: &Config) -> (Step, Work) {
    let adapts = config.layer().is_adaptive();
    let more = f64::from(u8::from(adapts)) + f64::from(u8::from(config.optimizer.has_momentum()));
    let kept = 2.0 + more;
    let sets = 1.0 + f64::from(u8::from(plan.grouped));
    // Steps from one end of a base block to the next.
    let between = match config.update_every {
        UpdateEvery::Steps(n) if n > 1 => n,
        _ => plan.base_block,
    };
    let waits = PATIENCE as f64;
    // Each row catches up once in so many blocks, the blocks are composed at each end of one.
    let rows = Work::of(1.0 + kept, 2.0 * kept).times(1.0 / (waits * between as f64));
    let composed = Work::of(2.0 + kept, 3.0 * kept).times(waits * sets / between as f64);
    let factors = Work::of(3.0 * kept, 4.0 * kept).times(sets);
    let lengths = Work::of(6.0, 6.0).times(f64::from(u8::from(plan.limited)));
    let pending = match plan.at_once {
        true => Work::default(),
        false => ADDED + ADDED,
    };
    // Read for the current, then followed.
    let spike = (READ + ADDED).times(kept) + pending;
    let neurons = composed + factors + lengths;
    (Step { rows, neurons }, spike)
}

#[cfg(test)]
mod tests {
    use super::{Cost, NEURON, Work};
    use crate::options::plan::{Plan, Sizes, StackPlan};
    use crate::options::{Config, Engine, Optimizer, StackConfig, UpdateEvery};

    /// 32 sources and a row of 16 numbers.
    const SIZES: Sizes = Sizes {
        n_inputs: 16,
        n: 16,
        n_outputs: 2,
    };

    fn cost(engine: Engine, update_every: UpdateEvery) -> Cost {
        let config = Config {
            engine: Some(engine),
            update_every,
            optimizer: Optimizer::PLAIN_SGD,
            ..Config::default()
        };
        Cost::of_recurrent::<f32>(&Plan::of::<f32>(SIZES, &config).unwrap(), &config)
    }

    #[test]
    fn a_textbook_step_passes_every_synapse_and_a_spike_one_row() {
        let cost = cost(Engine::Textbook, UpdateEvery::Steps(1));
        let readouts = Work::of(2.0 * 32.0, 32.0);
        let expected = Work::of(3.0 * 512.0, 4.0 * 512.0) + NEURON.times(16.0) + readouts;
        assert_eq!(cost.step, expected);
        assert_eq!(cost.spike, Work::of(16.0 + 2.0, 16.0 + 2.0));
        assert_eq!(cost.sources, 32.0);
    }

    #[test]
    fn the_fast_forms_do_less_in_a_step_and_more_for_a_spike() {
        let textbook = cost(Engine::Textbook, UpdateEvery::Steps(1));
        let others = [
            cost(Engine::Factored, UpdateEvery::Steps(1)),
            cost(Engine::Block, UpdateEvery::Sequence),
        ];
        for fast in others {
            assert!(fast.step.multiply_adds < 0.8 * textbook.step.multiply_adds);
            assert!(fast.step.numbers < textbook.step.numbers);
            assert!(fast.spike.multiply_adds > 2.0 * textbook.spike.multiply_adds);
        }
    }

    #[test]
    fn updates_cost_a_pass_each() {
        let of = |n| {
            cost(Engine::Block, UpdateEvery::Steps(n))
                .step
                .multiply_adds
        };
        // From 100 steps to 200 the blocks stay as long as the weights rest.
        let saved = of(100) - of(200);
        assert!(
            (saved - 512.0 * (1.0 + 4.0) * (0.01 - 0.005)).abs() < 1e-9,
            "{saved}"
        );
    }

    #[test]
    fn a_stack_sends_its_signal_down_through_all_layers_but_the_first() {
        let config = StackConfig {
            optimizer: Optimizer::PLAIN_SGD,
            ..StackConfig::default()
        };
        let of = |sizes: &[usize]| Cost::of_stack::<f32>(&StackPlan::of(sizes, &config), &config);
        let (one, two) = (of(&[16, 16]), of(&[16, 16, 16]));
        let more = two.step.multiply_adds - one.step.multiply_adds;
        assert_eq!(more, one.step.multiply_adds + 256.0);
        assert_eq!(two.spike, one.spike);
        assert_eq!(two.sources, 32.0);
    }
}
