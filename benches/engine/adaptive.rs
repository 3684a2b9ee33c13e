//! What neurons cost whose thresholds move, beside neurons whose thresholds rest, at the same activity.

use eprop::{Config, Optimizer, UpdateEvery};

use crate::line::Line;
use crate::timing::least_of_both;
use crate::work::{SIZES, Work};

const RUNS: usize = 5;

/// One line for each of the first `n_sizes` beyond the smallest, up to N = 1000.
pub fn report(n_sizes: usize, steps: usize) {
    for &(n_inputs, n, rate) in SIZES[1..4].iter().take(n_sizes) {
        let work = Work::new(n_inputs, n, steps, 0.02, rate);
        let resting = Config {
            optimizer: Optimizer::PLAIN_SGD,
            ..Config::default()
        };
        let adaptive = work.adaptive();
        let mut line = Line::new("adaptive");
        line.number("n_inputs", n_inputs as f64)
            .number("n_neurons", n as f64)
            .number("share", work.share_of(resting.clone()))
            .number("share_adaptive", work.share_of(adaptive.clone()));
        for (name, adaptive_name, update_every) in [
            ("sequence", "sequence_adaptive", UpdateEvery::Sequence),
            ("every", "every_adaptive", UpdateEvery::Steps(1)),
        ] {
            let [mut resting, mut adaptive] = [&resting, &adaptive].map(|config| {
                work.trainer_of(Config {
                    update_every,
                    ..config.clone()
                })
            });
            let (one, other) = least_of_both(
                RUNS,
                steps,
                || work.train(&mut resting),
                || work.train(&mut adaptive),
            );
            line.number(name, one).number(adaptive_name, other);
        }
        line.print();
    }
}
