//! What a step costs where less happens in it.

use eprop::UpdateEvery;
use ndarray::Array2;

use crate::line::Line;
use crate::timing::least;
use crate::work::{N_OUTPUTS, Work, share};

/// A line for each size and rate: 2 % and 0.2 % of the inputs and of the neurons at a step of 1 ms.
pub fn report(steps: usize) {
    for (n_inputs, n) in [(700, 512), (1000, 1000)] {
        for rate in [20.0, 2.0] {
            let work = Work::new(n_inputs, n, steps, rate as f32 / 1000.0, rate);
            let mut outputs = Array2::zeros((steps, N_OUTPUTS));
            let mut trainer = work.trainer(UpdateEvery::Sequence, None);
            let infer = least(3, 0.3, steps, || work.infer(&mut trainer, &mut outputs));
            let sequence = least(3, 0.3, steps, || work.train(&mut trainer));
            let mut trainer = work.trainer(UpdateEvery::Steps(1), None);
            let every = least(3, 0.3, steps, || work.train(&mut trainer));
            Line::new("rate")
                .number("n_inputs", n_inputs as f64)
                .number("n_neurons", n as f64)
                .number("share", share(&work.spikes(&mut trainer)))
                .number("infer", infer)
                .number("sequence", sequence)
                .number("every", every)
                .print();
        }
    }
}
