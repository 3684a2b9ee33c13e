//! A stream without arrays of ndarray: slices in, slices out. Two inputs fire in turns, and the network learns to say which of them did.
//!
//! `cargo run --release -p eprop --example stream`

use eprop::{Config, EpropTrainer, Error, Lesson, Matrix};

fn main() -> Result<(), Error> {
    let mut trainer = EpropTrainer::<f32>::new(2, 32, 1, Config::default())?;
    for turn in 0..400 {
        let first = turn % 2 == 0;
        let (x, target) = match first {
            true => ([1.0, 0.0], [0.5]),
            false => ([0.0, 1.0], [-0.5]),
        };
        let mut loss = 0.0;
        for t in 0..50 {
            // Asked for at the end of a turn only.
            let lesson = match t < 30 {
                true => Lesson::default(),
                false => Lesson::from(&target),
            };
            let step = trainer.step(&x, lesson)?;
            loss += step.loss.unwrap_or(0.0);
        }
        if turn % 80 < 2 {
            let mean = loss / 20.0;
            println!("turn {turn:3}: mean loss {mean:.4}");
        }
    }
    let mut w_out = [0.0; 32];
    trainer.read_slice(Matrix::WOut, &mut w_out)?;
    let largest = w_out.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    println!("largest weight of the readout: {largest:.2}");
    Ok(())
}
