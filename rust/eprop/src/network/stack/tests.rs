//! A stack against its equations in plain numbers: what fires goes up, signals come down at the same step, and traces are local.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, ArrayView1};

use super::Stack;
use crate::network::circle::Circle;
use crate::network::wiring::{Sum, Wiring};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::plain;
use crate::numbers::room::Room;
use crate::numbers::walk;
use crate::options::plan::StackPlan;
use crate::options::{Gain, LayerConfig, Loss, StackConfig, UpdateEvery};
use crate::parts::init::Gaussian;
use crate::parts::input::Input;
use crate::parts::lesson::Lesson;
use crate::parts::optimizer::Optimizer;
use crate::testing::unasked;
use crate::testing::{Noise, made, near, same_bits};

const SIZES: [usize; 4] = [4, 6, 5, 2];
const ETA: f64 = 0.03125;

fn config(update_every: UpdateEvery) -> StackConfig {
    let layer = LayerConfig {
        tau_mem: 6.0,
        n_ref: 2,
        surrogate_width: Some(2.0),
        input_gain: Gain::Leak,
        ..LayerConfig::default()
    };
    StackConfig {
        layer,
        update_every,
        tau_mem: Some(vec![6.0, 12.0, 3.0]),
        ..StackConfig::default()
    }
}

fn stack(config: &StackConfig) -> Stack<f64> {
    let plan = StackPlan::of(&SIZES, config);
    let mut stack = made(|room| Stack::new(room, &plan, config, None));
    stack.draw(config, &mut unasked()).unwrap();
    stack
}

/// One layer: its weights `[j][i]` and what it keeps.
struct Layer {
    w: Vec<Vec<f64>>,
    g: Vec<Vec<f64>>,
    v: Vec<f64>,
    z: Vec<f64>,
    psi: Vec<f64>,
    last_spike: Vec<Option<usize>>,
    z_bar: Vec<f64>,
    alpha: f64,
    zeta: f64,
}

struct Literal {
    config: StackConfig,
    layers: Vec<Layer>,
    t: usize,
}

impl Literal {
    fn new(config: &StackConfig, stack: &Stack<f64>) -> Self {
        let layer = |(l, pair): (usize, &[usize])| {
            let (p, n) = (pair[0], pair[1]);
            let tau_mem = config.tau_mem.as_ref().unwrap()[l];
            let alpha = libm::exp(-config.layer.dt / tau_mem);
            let w = stack.input_weights(l, &mut unasked()).unwrap();
            Layer {
                w: w.rows().into_iter().map(|row| row.to_vec()).collect(),
                g: vec![vec![0.0; p]; n],
                v: vec![0.0; n],
                z: vec![0.0; n],
                psi: vec![0.0; n],
                last_spike: vec![None; n],
                z_bar: vec![0.0; p],
                alpha,
                zeta: if config.layer.input_gain == Gain::Leak {
                    1.0 - alpha
                } else {
                    1.0
                },
            }
        };
        Self {
            config: config.clone(),
            layers: SIZES.windows(2).enumerate().map(layer).collect(),
            t: 0,
        }
    }

    fn forward(&mut self, x: &[f64]) {
        let config = &self.config.layer;
        let (v_th, width) = (config.threshold, config.surrogate_width.unwrap());
        let mut s = x.to_vec();
        for layer in &mut self.layers {
            let (alpha, zeta) = (layer.alpha, layer.zeta);
            for (z_bar, s) in layer.z_bar.iter_mut().zip(&s) {
                *z_bar = alpha * *z_bar + zeta * s;
            }
            for j in 0..layer.v.len() {
                let current: f64 = layer.w[j].iter().zip(&s).map(|(w, s)| w * s).sum();
                layer.v[j] = alpha * layer.v[j] + zeta * current - v_th * layer.z[j];
                let refractory =
                    layer.last_spike[j].is_some_and(|last| self.t < last + config.n_ref);
                let d = (layer.v[j] - v_th).abs();
                layer.psi[j] = if refractory {
                    0.0
                } else {
                    0.3 / v_th * f64::max(0.0, 1.0 - d / width)
                };
                layer.z[j] = f64::from(u8::from(layer.v[j] >= v_th && !refractory));
                if layer.z[j] == 1.0 {
                    layer.last_spike[j] = Some(self.t);
                }
            }
            s = layer.z.clone();
        }
        self.t += 1;
    }

    fn learn(&mut self, x: &[f64], target: Option<&[f64]>) -> Option<f64> {
        self.forward(x);
        let target = target?;
        let y = &self.layers[2].z;
        let total: f64 = y.iter().map(|&y| libm::exp(y)).sum();
        let mut loss = 0.0;
        let mut signal: Vec<f64> = y
            .iter()
            .zip(target)
            .map(|(&y, target)| match self.config.loss {
                Loss::Mse => {
                    loss += 0.5 * (y - target) * (y - target);
                    y - target
                }
                Loss::CrossEntropy => {
                    loss -= target * libm::log(libm::exp(y) / total);
                    libm::exp(y) / total - target
                }
            })
            .collect();
        for layer in self.layers.iter_mut().rev() {
            let delta: Vec<f64> = layer
                .psi
                .iter()
                .zip(&signal)
                .map(|(psi, l)| psi * l)
                .collect();
            let back = |i: usize| {
                layer.zeta
                    * layer
                        .w
                        .iter()
                        .zip(&delta)
                        .map(|(w, delta)| w[i] * delta)
                        .sum::<f64>()
            };
            signal = (0..layer.z_bar.len()).map(back).collect();
            for (g, delta) in layer.g.iter_mut().zip(&delta) {
                g.iter_mut()
                    .zip(&layer.z_bar)
                    .for_each(|(g, z_bar)| *g += delta * z_bar);
            }
        }
        Some(loss)
    }

    fn update(&mut self) {
        for layer in &mut self.layers {
            let rows = layer.w.iter_mut().zip(&mut layer.g);
            rows.flat_map(|(w, g)| w.iter_mut().zip(g))
                .for_each(|(w, g)| *w -= ETA * core::mem::take(g));
        }
    }

    fn compare(&self, stack: &Stack<f64>) {
        for (l, layer) in self.layers.iter().enumerate() {
            let w = stack.input_weights(l, &mut unasked()).unwrap();
            near("W", w.as_slice().unwrap(), &layer.w.concat());
            near("psi", stack.stages[l].neuron.psi(), &layer.psi);
        }
    }
}

/// Inputs and targets of a step.
fn moment(noise: &mut Noise) -> (Array1<f64>, Option<Array1<f64>>) {
    let x = Array1::from_shape_simple_fn(4, || if noise.uniform() < 0.4 { 1.0 } else { 0.0 });
    let target = (noise.uniform() < 0.7).then(|| Array1::from(vec![0.25, 0.75]));
    (x, target)
}

fn view(target: &Option<Array1<f64>>) -> Option<ArrayView1<'_, f64>> {
    target.as_ref().map(|target| target.view())
}

#[test]
fn a_stack_is_its_equations_at_once_and_waiting() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Steps(7)] {
        for loss in [Loss::Mse, Loss::CrossEntropy] {
            let config = StackConfig {
                loss,
                ..config(update_every)
            };
            let mut stack = stack(&config);
            let mut literal = Literal::new(&config, &stack);
            let at_once = (update_every == UpdateEvery::Steps(1)).then_some(ETA);
            let (mut noise, mut n_spikes) = (Noise(1), 0.0);
            for t in 1..=70 {
                let (x, target) = moment(&mut noise);
                let loss = stack.learn(
                    x.view().into(),
                    view(&target).into(),
                    at_once.map(Optimizer::plain).as_mut(),
                );
                let expected = literal.learn(
                    x.as_slice().unwrap(),
                    target.as_ref().map(|target| target.as_slice().unwrap()),
                );
                near("loss", &[loss.unwrap_or(-1.0)], &[expected.unwrap_or(-1.0)]);
                near("output", stack.output(), &literal.layers[2].z);
                if at_once.is_some() {
                    literal.update();
                } else if t % 7 == 0 {
                    stack.update(Optimizer::plain(ETA).steps());
                    stack.updated();
                    literal.update();
                }
                literal.compare(&stack);
                n_spikes += literal.layers[2].z.iter().sum::<f64>();
            }
            assert!(n_spikes > 3.0, "{n_spikes} spikes at the output");
            assert_eq!(stack.flaw(), None);
        }
    }
}

#[test]
fn a_prediction_learns_nothing() {
    let config = config(UpdateEvery::Steps(1));
    let mut stack = stack(&config);
    let (mut literal, mut noise) = (Literal::new(&config, &stack), Noise(2));
    for _ in 0..30 {
        let (x, _) = moment(&mut noise);
        stack.predict(x.view().into());
        literal.forward(x.as_slice().unwrap());
        near("output", stack.output(), &literal.layers[2].z);
    }
    literal.compare(&stack);
    assert_eq!(stack.since().steps, 0);
}

#[test]
fn a_gradient_is_handed_out_layer_by_layer_and_taken_in_anywhere() {
    let waits = config(UpdateEvery::Sequence);
    let plan = StackPlan::of(&SIZES, &waits);
    let mut stack = stack(&waits);
    let (mut literal, mut noise) = (Literal::new(&waits, &stack), Noise(3));
    for _ in 0..20 {
        let (x, target) = moment(&mut noise);
        stack.learn(x.view().into(), view(&target).into(), None);
        literal.learn(
            x.as_slice().unwrap(),
            target.as_ref().map(|target| target.as_slice().unwrap()),
        );
    }
    let since = stack.since();
    assert!(since.steps == 20 && since.targets < 20);
    let sums = Stack::<f64>::sums(&plan);
    assert_eq!(
        sums,
        [
            (4, padded::<f64>(6)),
            (6, padded::<f64>(5)),
            (5, padded::<f64>(2))
        ]
    );
    let mut sums: Vec<Aligned<f64>> = sums
        .into_iter()
        .map(|(rows, width)| Aligned::zeros(rows * width).unwrap())
        .collect();
    stack.collect(&mut sums);
    let of = Sum {
        loss: 1.5,
        n_targets: 9,
        n_streams: 1,
    };
    let g = Stack::gradients(core::slice::from_mut(&mut stack), &sums, of, &mut unasked()).unwrap();
    assert_eq!((g.loss, g.n_targets), (1.5, 9));
    for (g, layer) in g.w.iter().zip(&literal.layers) {
        near("gradient", g.as_slice().unwrap(), &layer.g.concat());
    }
    stack.check_gradients(&g).unwrap();
    let mut other = self::stack(&config(UpdateEvery::Steps(1)));
    other
        .take(&g, Optimizer::plain(ETA).steps(), &mut unasked())
        .unwrap();
    literal.update();
    for (l, layer) in literal.layers.iter().enumerate() {
        near(
            "W",
            other
                .input_weights(l, &mut unasked())
                .unwrap()
                .as_slice()
                .unwrap(),
            &layer.w.concat(),
        );
    }
    // Of another stack, or not finite.
    let mut fewer = g.clone();
    fewer.w.pop();
    assert!(stack.check_gradients(&fewer).is_err());
    let mut wrong = g.clone();
    wrong.w[1] = wrong.w[1].t().to_owned();
    assert!(stack.check_gradients(&wrong).is_err());
    let mut wrong = g;
    wrong.w[2][(1, 3)] = f64::NAN;
    let error = stack.check_gradients(&wrong).unwrap_err();
    assert!(
        alloc::string::ToString::to_string(&error).starts_with("gradients.W[2]: "),
        "{error}"
    );
}

#[test]
fn groups_are_the_layers_and_all_of_them_are_seen() {
    let mut stack = stack(&config(UpdateEvery::Steps(1)));
    for _ in 0..20 {
        stack.predict(Input::spikes(&[0, 1, 2, 3]));
    }
    let mut seen = vec![];
    stack.all_fired(&mut |n, fired| seen.push((n, fired.len())));
    let groups: Vec<_> = (0..3).map(|at| stack.group(at).unwrap()).collect();
    assert_eq!(seen, groups);
    assert_eq!(
        groups.iter().map(|group| group.0).collect::<Vec<_>>(),
        SIZES[1..]
    );
    assert_eq!(stack.group(3), None);
}

#[test]
fn layers_are_drawn_one_after_the_other_and_a_flaw_is_named_by_its_layer() {
    let config = config(UpdateEvery::Steps(1));
    let mut stack = stack(&config);
    let mut gaussian = Gaussian::new(config.layer.seed);
    for (l, pair) in SIZES.windows(2).enumerate() {
        let mut rows = vec![0.0; pair[0] * 16];
        crate::parts::init::layer_weights(
            &mut gaussian,
            &mut rows,
            16,
            pair[0],
            pair[1],
            &config.layer_of(l),
            None,
            &mut unasked(),
        )
        .unwrap();
        let w = stack.input_weights(l, &mut unasked()).unwrap();
        for (column, row) in w.columns().into_iter().zip(rows.chunks_exact(16)) {
            same_bits("W", &column.to_vec(), &row[..pair[1]]);
        }
    }
    stack
        .assign_inputs(
            1,
            ndarray::Array2::from_elem((5, 6), f64::INFINITY).view(),
            &mut unasked(),
        )
        .unwrap();
    assert_eq!(stack.flaw().as_deref(), Some("layers[1].W"));
}

#[test]
fn what_is_counted_is_what_a_stack_then_holds() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Steps(7)] {
        let config = config(update_every);
        let plan = StackPlan::of(&SIZES, &config);
        let make = |room: &mut Room| Stack::<f32>::new(room, &plan, &config, None);
        let stack = made(make);
        assert_eq!(
            Room::count(make).unwrap(),
            walk::bytes(&stack) + stack.heap()
        );
    }
}

#[test]
fn saved_bytes_and_copies_go_on_bit_for_bit_and_a_reset_keeps_weights_alone() {
    for update_every in [UpdateEvery::Steps(1), UpdateEvery::Steps(7)] {
        let config = config(update_every);
        let at_once = (update_every == UpdateEvery::Steps(1)).then_some(ETA);
        let mut stack = stack(&config);
        let mut noise = Noise(4);
        let mut run = |stacks: &mut [&mut Stack<f64>]| {
            for _ in 0..11 {
                let (x, target) = moment(&mut noise);
                for stack in &mut *stacks {
                    stack.learn(
                        x.view().into(),
                        view(&target).into(),
                        at_once.map(Optimizer::plain).as_mut(),
                    );
                }
            }
        };
        run(&mut [&mut stack]);
        let mut twin = self::stack(&StackConfig {
            layer: LayerConfig {
                seed: 7,
                ..config.layer.clone()
            },
            ..config.clone()
        });
        plain::load(&mut twin, &plain::save(&stack).unwrap()).unwrap();
        run(&mut [&mut stack, &mut twin]);
        assert!(walk::same(&stack, &twin));
        let weights = |stack: &Stack<f64>| {
            (0..3)
                .map(|l| stack.input_weights(l, &mut unasked()).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(weights(&stack), weights(&twin));
        stack.reset();
        assert_eq!(weights(&stack), weights(&twin));
        assert_eq!(stack.since().steps, 0);
        let mut literal = Literal::new(&config, &stack);
        stack.learn(
            Input::spikes(&[1, 2]),
            Lesson::default(),
            at_once.map(Optimizer::plain).as_mut(),
        );
        literal.learn(&[0.0, 1.0, 1.0, 0.0], None);
        literal.compare(&stack);
    }
}
