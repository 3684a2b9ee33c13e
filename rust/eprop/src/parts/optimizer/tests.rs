//! The steps of each rule against their formulas, and what they keep.

use super::{Measure, Optimizer, Population, Rule, Steps, Times};
use crate::Float;
use crate::numbers::plain;
use crate::numbers::step::Step;
use crate::numbers::walk;
use crate::testing::{in_both, near};

const ADAM: Rule = Rule::Adam {
    beta1: 0.75,
    beta2: 0.9375,
    eps: 0.125,
    weight_decay: 0.0,
};

in_both! {
    fn descent_takes_the_learning_rate_of_the_moment_times_the_scale<F>() {
        let mut optimizer = of(Rule::PLAIN_SGD, &[0.5, 0.0]);
        let eta = |optimizer: &mut Optimizer, scale| {
            let steps = optimizer.step(scale, |_| unreachable!());
            [0, 1].map(|group| steps.of::<F>(group).linear().unwrap())
        };
        assert_eq!(eta(&mut optimizer, 1.0), [0.5, 0.0].map(F::cast));
        assert_eq!(eta(&mut optimizer, 0.25), [0.125, 0.0].map(F::cast));
        assert!(optimizer.is_fixed(1) && !optimizer.is_fixed(0));
        optimizer.updated();
        optimizer.set_lr(1, 2.0);
        assert_eq!(eta(&mut optimizer, 1.0), [0.5, 2.0].map(F::cast));
    }
}

fn of(rule: Rule, rates: &[f64]) -> Optimizer {
    let times = Times {
        answer: ANSWER,
        slowest: SLOWEST,
    };
    Optimizer::new(rule, rates.iter().copied(), times, f64::EPSILON).unwrap()
}

const ANSWER: f64 = 0.025;
const SLOWEST: f64 = 0.9375;

fn limited(lr: f64) -> Optimizer {
    of(Rule::SGD, &[lr])
}

fn measure(squared_length: f64, loss: f64, steps: f64) -> (f64, Measure) {
    let measure = Measure {
        loss,
        steps,
        has_target: true,
    };
    (squared_length, measure)
}

/// The learning rate of the only group.
fn eta(optimizer: &mut Optimizer, scale: f64, (length, measure): (f64, Measure)) -> f64 {
    optimizer.step(scale, |to| {
        to[0] = length;
        measure
    });
    optimizer.eta(0)
}

/// How much of the way to a loss of 0 a step may go.
fn c(steps: f64) -> f64 {
    let x = 1.0 - libm::exp(-ANSWER * steps);
    x / (1.0 + 3.0 * x)
}

#[test]
fn a_limited_step_is_a_polyak_step_at_most() {
    let mut optimizer = limited(0.5);
    // |g|^2 / 2 E = 10.
    let eta = self::eta(&mut optimizer, 1.0, measure(40.0, 2.0, 1.0));
    assert!((eta - c(1.0) / 10.0).abs() < 1e-15);
    // A gradient so short that lr is the shorter step.
    let eta = self::eta(&mut limited(0.5), 1.0, measure(0.01, 2.0, 1.0));
    assert_eq!(eta, 0.5);
    // The mean of 8 steps: both are divided by 8.
    let eta = self::eta(
        &mut limited(0.5),
        0.125,
        measure(40.0 * 64.0, 2.0 * 8.0, 8.0),
    );
    assert!((eta - c(8.0) / 10.0).abs() < 1e-15);
}

#[test]
fn the_limit_is_of_all_groups_and_each_has_its_own_rate() {
    let mut optimizer = of(Rule::SGD, &[0.5, 1e-9, 0.0]);
    let (_, measure) = measure(0.0, 2.0, 1.0);
    optimizer.step(1.0, |to| {
        to.copy_from_slice(&[30.0, 6.0, 4.0]);
        measure
    });
    let etas = [0, 1, 2].map(|group| optimizer.eta(group));
    assert!((etas[0] - c(1.0) / 10.0).abs() < 1e-15);
    assert_eq!(etas[1..], [1e-9, 0.0]);
}

/// The etas of an update of `auto` with these squared lengths.
fn auto(optimizer: &mut Optimizer, lengths: [f64; 3], measure: Measure) -> [f64; 3] {
    optimizer.step(1.0, |to| {
        to.copy_from_slice(&lengths);
        measure
    });
    [0, 1, 2].map(|group| optimizer.eta(group))
}

#[track_caller]
fn close(got: [f64; 3], expected: [f64; 3]) {
    for (got, expected) in got.into_iter().zip(expected) {
        assert!(
            (got - expected).abs() <= 1e-14 * expected,
            "{got}, {expected}"
        );
    }
}

#[test]
fn auto_takes_a_step_per_group_from_its_own_length_held_at_its_peak() {
    let mut optimizer = of(Rule::AUTO, &[0.5, 0.25, 2.0]);
    let of = |steps| measure(0.0, 2.0, steps).1;
    let risen = |steps: f64| (1.0 - libm::pow(SLOWEST, steps)).powi(2);
    // Lengths 1, 2 and 4; shares 1/4, 1/4 and 1/2.
    let etas = auto(&mut optimizer, [4.0, 8.0, 16.0], of(1.0));
    close(
        etas,
        [0.125, 0.03125, 0.25].map(|eta| eta * c(1.0) * risen(1.0)),
    );
    // A group whose gradient is 0 does not rise, and its length fades.
    let etas = auto(&mut optimizer, [4.0, 0.0, 16.0], of(3.0));
    let left = libm::pow(0.999, 3.0);
    let expected = [
        0.125 * risen(4.0),
        0.03125 / left * risen(1.0),
        0.25 * risen(4.0),
    ];
    close(etas, expected.map(|eta| eta * c(3.0)));
    // Without a target or a loss all stand still.
    let nothing = Measure {
        has_target: false,
        ..of(1.0)
    };
    for measure in [nothing, measure(0.0, 0.0, 1.0).1] {
        let etas = auto(&mut optimizer, [1e9; 3], measure);
        close(etas, expected.map(|eta| eta * c(1.0)));
    }
    // A length that no number holds moves nothing of its group.
    let etas = auto(&mut optimizer, [f64::INFINITY, 4.0, 4.0], of(1.0));
    assert!(etas[0] == 0.0 && etas[1] > 0.0);
}

#[test]
fn auto_moves_no_group_that_has_never_had_a_gradient_but_of_rounding_errors() {
    for nothing in [0.0, 1e-34] {
        let mut optimizer = of(Rule::AUTO, &[0.5; 3]);
        let etas = auto(
            &mut optimizer,
            [nothing, 4.0, 4.0],
            measure(0.0, 2.0, 1.0).1,
        );
        assert!(etas[0] == 0.0 && etas[1] > 0.0);
    }
}

#[test]
fn layers_below_the_last_share_half_of_a_step_of_auto() {
    for (n, share) in [(1, 0.0), (2, 0.5), (4, 0.5 / 3.0)] {
        let optimizer = of(Rule::AUTO, &[0.5; 4][..n]);
        let (last, below) = optimizer.groups.split_last().unwrap();
        assert!(last.share == 0.5 && below.iter().all(|group| group.share == share));
    }
}

const PER_NEURON: Rule = Rule::Auto {
    weight_decay: 0.125,
    per_neuron: true,
};

/// Of two groups, with two neurons of four sources, and one of two.
fn of_neurons() -> Optimizer {
    let population = |neurons, sources, sigma| Population {
        neurons,
        sources,
        sigma,
    };
    of(PER_NEURON, &[0.5, 2.0])
        .of_neurons(&[population(2, 4, 0.25), population(1, 2, 4.0)])
        .unwrap()
}

/// The step of a group: its constants, and D.
fn scaled(steps: Steps<'_>, group: usize) -> ([f64; 2], &[f64]) {
    let Step::Scaled { step, by } = steps.of::<f64>(group) else {
        panic!("no scales")
    };
    ([step.eta, step.shrink], by)
}

#[test]
fn auto_scales_each_neuron_by_the_size_of_its_gradients_so_far() {
    let mut optimizer = of_neurons();
    let (mut v, mut peaks) = ([0.0; 3], [0.0_f64; 2]);
    let (p, sigma) = ([4.0, 4.0, 2.0], [0.25, 0.25, 4.0]);
    let (scale, loss) = (0.5, 2.0);
    // The second neuron has no gradient at first.
    for (t, lengths) in [[16.0, 0.0, 3.0], [1.0, 4.0, 0.5]].into_iter().enumerate() {
        let steps = optimizer.step(scale, |to| {
            to.copy_from_slice(&lengths);
            measure(0.0, loss, 1.0).1
        });
        let seen = 1.0 - libm::pow(0.999, t as f64 + 1.0);
        let mut d = [1.0; 3];
        for j in 0..3 {
            v[j] = 0.999 * v[j] + 0.001 * scale * scale * lengths[j] / p[j];
            if v[j] > 0.0 {
                d[j] = sigma[j] / (libm::sqrt(v[j] / seen) + 1e-8);
            }
        }
        let risen = (1.0 - libm::pow(SLOWEST, t as f64 + 1.0)).powi(2);
        for (group, (lr, neurons)) in [(0.5, 0..2), (2.0, 2..3)].into_iter().enumerate() {
            let squared: f64 = neurons.clone().map(|j| d[j] * lengths[j]).sum();
            peaks[group] = (scale * squared / (2.0 * loss)).max(0.999 * peaks[group]);
            let eta = lr * c(1.0) * 0.5 * risen / peaks[group];
            let (constants, by) = scaled(steps, group);
            near("step", &constants, &[eta * scale, eta * 0.125]);
            near("D", by, &d[neurons]);
        }
    }
}

#[test]
fn scales_stand_still_where_lengths_do_and_are_saved() {
    let mut optimizer = of_neurons();
    let taught = |optimizer: &mut Optimizer, lengths: [f64; 3]| {
        optimizer.step(1.0, |to| {
            to.copy_from_slice(&lengths);
            measure(0.0, 2.0, 1.0).1
        });
    };
    assert_eq!(
        scaled(optimizer.step(1.0, |_| Measure::of_nothing()), 0).0,
        [0.0; 2]
    );
    taught(&mut optimizer, [16.0, 1.0, 3.0]);
    let before = optimizer.clone();
    optimizer.step(1.0, |to| {
        to.fill(9.0);
        Measure::of_nothing()
    });
    assert!(walk::same(&optimizer, &before));
    assert_eq!(optimizer.neurons.scales, before.neurons.scales);
    // What no number holds is forgotten, and moves nothing.
    taught(&mut optimizer, [f64::INFINITY, 1.0, 3.0]);
    assert_eq!(optimizer.eta(0), 0.0);
    assert_eq!(optimizer.neurons.v[..2], before.neurons.v[..2]);
    let mut other = of_neurons();
    plain::load(&mut other, &plain::save(&optimizer).unwrap()).unwrap();
    assert!(walk::same(&optimizer, &other));
    for optimizer in [&mut optimizer, &mut other] {
        taught(optimizer, [1.0, 2.0, 3.0]);
    }
    assert_eq!(optimizer.neurons.scales, other.neurons.scales);
    other.neurons.v[1] = -1.0;
    let bytes = plain::save(&other).unwrap();
    let error = plain::load(&mut optimizer, &bytes).unwrap_err();
    assert!(matches!(error, crate::Error::State { .. }), "{error}");
}

#[test]
fn auto_saves_the_lengths_of_groups_and_refuses_what_is_none() {
    let mut optimizer = of(Rule::AUTO, &[0.5; 3]);
    auto(&mut optimizer, [4.0, 8.0, 16.0], measure(0.0, 2.0, 1.0).1);
    let mut twin = of(Rule::AUTO, &[0.5; 3]);
    plain::load(&mut twin, &plain::save(&optimizer).unwrap()).unwrap();
    let next = measure(0.0, 2.0, 2.0).1;
    let [one, other] = [&mut optimizer, &mut twin].map(|of| auto(of, [1.0; 3], next));
    assert_eq!(one, other);
    for (peak, unrisen) in [(-1.0, 0.5), (f64::NAN, 0.5), (1.0, 1.5), (1.0, f64::NAN)] {
        let mut wrong = optimizer.clone();
        (wrong.groups[1].peak, wrong.groups[1].unrisen) = (peak, unrisen);
        assert!(plain::load(&mut twin, &plain::save(&wrong).unwrap()).is_err());
    }
}

#[test]
fn the_longest_gradient_is_held_and_forgotten_step_by_step() {
    let mut optimizer = limited(0.5);
    eta(&mut optimizer, 1.0, measure(40.0, 2.0, 1.0));
    let eta = self::eta(&mut optimizer, 1.0, measure(4.0, 2.0, 3.0));
    let left = libm::pow(0.99, 3.0);
    assert!((eta - c(3.0) / (left * 10.0)).abs() < 1e-15);
    // However many steps, a tenth at most.
    let eta = self::eta(&mut optimizer, 1.0, measure(4.0, 2.0, 1e6));
    assert!((eta - c(1e6) / (0.9 * left * 10.0)).abs() < 1e-15);
    // A longer one takes its place.
    let eta = self::eta(&mut optimizer, 1.0, measure(400.0, 2.0, 1.0));
    assert!((eta - c(1.0) / 100.0).abs() < 1e-15);
}

#[test]
fn without_a_target_or_a_loss_the_length_stands_still() {
    let no_target = Measure {
        has_target: false,
        ..measure(0.0, 0.0, 1.0).1
    };
    let nothing = (0.0, no_target);
    assert_eq!(eta(&mut limited(0.5), 1.0, nothing), 0.5);
    let mut optimizer = limited(0.5);
    eta(&mut optimizer, 1.0, measure(40.0, 2.0, 1.0));
    for measure in [nothing, measure(0.0, 0.0, 1.0), measure(1e-30, 0.0, 1.0)] {
        let eta = self::eta(&mut optimizer, 1.0, measure);
        assert!((eta - c(1.0) / 10.0).abs() < 1e-15);
    }
}

#[test]
fn a_gradient_of_no_length_that_a_number_holds_moves_nothing_and_is_forgotten() {
    let mut optimizer = limited(0.5);
    assert_eq!(
        eta(&mut optimizer, 1.0, measure(f64::INFINITY, 2.0, 1.0)),
        0.0
    );
    assert_eq!(eta(&mut optimizer, 1.0, measure(0.01, 2.0, 1.0)), 0.5);
}

#[test]
fn a_limited_rule_saves_its_length_and_refuses_one_that_is_none() {
    let mut optimizer = limited(0.5);
    eta(&mut optimizer, 1.0, measure(40.0, 2.0, 1.0));
    let saved = plain::save(&optimizer).unwrap();
    let mut other = limited(0.5);
    plain::load(&mut other, &saved).unwrap();
    assert_eq!(other.peak, 10.0);
    for peak in [f64::NAN, f64::INFINITY, -1.0] {
        let wrong = Optimizer {
            peak,
            ..limited(0.5)
        };
        assert!(plain::load(&mut other, &plain::save(&wrong).unwrap()).is_err());
    }
}

in_both! {
    fn adam_counts_its_updates_from_one<F>() {
        let mut optimizer = of(ADAM, &[0.25, 0.5]);
        for (b1_to_t, b2_to_t) in [(0.75, 0.9375), (0.5625, 0.87890625), (0.421875, 0.823974609375)] {
            let steps: Steps<'_> = optimizer.step(3.0, |_| unreachable!());
            let Step::Adam(step) = steps.of::<F>(1) else { panic!("not a step of Adam") };
            let eta = 0.5 * libm::sqrt(1.0 - b2_to_t) / (1.0 - b1_to_t);
            let got = [step.beta1, step.gain1, step.beta2, step.gain2, step.eps, step.eta, step.scale];
            near("step", &got, &[0.75, 0.25, 0.9375, 0.0625, 0.125, eta, 3.0]);
            assert!(steps.of::<F>(1).linear().is_none());
            optimizer.updated();
        }
    }
}

in_both! {
    fn every_rule_makes_its_own_step_of_rate_scale_and_bound<F>() {
        let of = |rule| of(rule, &[0.25, 0.5]).bounded(None, Some(2.0), false);
        fn step<F: Float>(optimizer: &mut Optimizer) -> Step<'_, F> {
            optimizer.step(3.0, |_| unreachable!()).of(1)
        }
        let Step::Shrink(sgd) = step::<F>(&mut of(Rule::PLAIN_SGD)) else { panic!("a bound is more than a multiple") };
        near("sgd", &[sgd.eta, sgd.shrink, sgd.bound], &[1.5, 0.0, 2.0]);
        let Step::Shrink(sgd) = step::<F>(&mut of(Rule::Sgd { limit: false, weight_decay: 0.125 })) else { panic!("weights decay") };
        near("sgd", &[sgd.eta, sgd.shrink, sgd.bound], &[1.5, 0.0625, 2.0]);
        let rule = Rule::Momentum { mu: 0.75, limit: false, weight_decay: 0.125 };
        let Step::Momentum(step_of_it) = step::<F>(&mut of(rule)) else { panic!("not a step of momentum") };
        let got = [step_of_it.mu, step_of_it.eta, step_of_it.decay, step_of_it.scale, step_of_it.bound];
        near("momentum", &got, &[0.75, 0.125, 0.125, 3.0, 2.0]);
        let constants = |weight_decay| Rule::Adam { beta1: 0.75, beta2: 0.9375, eps: 0.125, weight_decay };
        let Step::Adam(adam) = step::<F>(&mut of(constants(0.125))) else { panic!("not a step of Adam") };
        near("adam", &[adam.decay, adam.shrink, adam.bound], &[0.125, 0.0, 2.0]);
        let Step::Adam(adam) = step::<F>(&mut of(Rule::AdamW { weight_decay: 0.125, beta1: 0.75, beta2: 0.9375, eps: 0.125 })) else {
            panic!("not a step of Adam")
        };
        near("adamw", &[adam.decay, adam.shrink, adam.bound], &[0.0, 0.0625, 2.0]);
    }
}

#[test]
fn a_gradient_is_scaled_down_to_its_largest_length_after_the_limit_has_seen_it() {
    let mut optimizer = limited(0.5).bounded(Some(2.0), None, false);
    let mut eta = |squared_length: f64| {
        optimizer.step(0.5, |to| {
            to[0] = 40.0;
            measure(0.0, 2.0, 1.0).1
        });
        let steps = optimizer.clipped(0.5, squared_length);
        steps.of::<f64>(0).linear().unwrap() / (c(1.0) / 5.0)
    };
    assert!((eta(16.0) - 0.5).abs() < 1e-15, "as long as it may be");
    assert!((eta(64.0) - 0.25).abs() < 1e-15, "half of what it is");
    assert_eq!(eta(f64::INFINITY), 0.0);
    // What is not finite is not hidden.
    assert!((eta(f64::NAN) - 0.5).abs() < 1e-15);
    assert!(optimizer.clips() && !limited(0.5).clips());
}

#[test]
fn updates_are_counted_and_only_rules_that_depend_on_them_differ_by_them() {
    let updated = |rule, updates| {
        let mut optimizer = of(rule, &[0.5]);
        (0..updates).for_each(|_| optimizer.updated());
        optimizer
    };
    for rule in [Rule::PLAIN_SGD, ADAM] {
        let mut other = updated(rule, 0);
        plain::load(&mut other, &plain::save(&updated(rule, 3)).unwrap()).unwrap();
        assert_eq!(other.n_updates(), 3);
        let same = walk::same(&updated(rule, 3), &updated(rule, 4));
        assert_eq!(same, rule == Rule::PLAIN_SGD);
    }
}
