//! The same program on the desk, and the network that it begins with: `desk write` trains one and writes it.

use std::error::Error;

use eprop::EpropTrainer;
use eprop_device::{N_INPUTS, N_NEURONS, N_OUTPUTS, Stream, config, learn, run, to_file};

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("write") {
        let mut trainer = EpropTrainer::new(N_INPUTS, N_NEURONS, N_OUTPUTS, config())?;
        learn(&mut trainer, &mut Stream::new(1), 20)?;
        std::fs::write("network.bin", to_file(&trainer)?)?;
        return Ok(());
    }
    run(|line| println!("{line}"), |work| work())?;
    Ok(())
}
