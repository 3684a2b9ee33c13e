//! What runs on the desk and on the microcontroller alike: a network from a file, and an endless stream that it goes on learning from.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

use eprop::{Config, EpropTrainer, Error, Lesson, Matrix};

pub const N_INPUTS: usize = 16;
pub const N_NEURONS: usize = 32;
pub const N_OUTPUTS: usize = 2;
/// Steps to a turn: one of two groups of inputs fires, and at its end the network is told which.
pub const TURN: usize = 40;
const JUDGED: usize = 10;

/// All weights, row by row, as little-endian f32: `cargo run --release --bin desk -- write` makes it.
static NETWORK: &[u8] = include_bytes!("../network.bin");
const SHAPES: [(Matrix, usize); 3] = [
    (Matrix::WIn, N_NEURONS * N_INPUTS),
    (Matrix::WRec, N_NEURONS * N_NEURONS),
    (Matrix::WOut, N_OUTPUTS * N_NEURONS),
];

/// What the board has for the trainer.
pub const MEMORY_LIMIT: usize = 32 << 10;

pub fn config() -> Config {
    Config {
        memory_limit: Some(MEMORY_LIMIT),
        ..Config::default()
    }
}

/// The network of the file.
///
/// # Errors
/// Where the file is of other sizes.
pub fn from_file() -> Result<EpropTrainer<f32>, Error> {
    let mut trainer = EpropTrainer::new(N_INPUTS, N_NEURONS, N_OUTPUTS, config())?;
    let mut rest = NETWORK;
    for (matrix, len) in SHAPES {
        let (bytes, more) = rest.split_at((4 * len).min(rest.len()));
        rest = more;
        let numbers = bytes.chunks_exact(4);
        let numbers = numbers.map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        trainer.assign_slice(matrix, &numbers.collect::<Vec<_>>())?;
    }
    Ok(trainer)
}

/// The bytes of such a file.
///
/// # Errors
/// None that this network has.
pub fn to_file(trainer: &EpropTrainer<f32>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for (matrix, len) in SHAPES {
        let mut numbers = alloc::vec![0.0; len];
        trainer.read_slice(matrix, &mut numbers)?;
        numbers
            .iter()
            .for_each(|number| bytes.extend(number.to_le_bytes()));
    }
    Ok(bytes)
}

/// The world: a turn has one of two groups of inputs, each of which fires with probability 1/8.
pub struct Stream {
    random: u32,
    t: usize,
    is_first: bool,
}

impl Stream {
    pub fn new(seed: u32) -> Self {
        Self {
            random: seed | 1,
            t: 0,
            is_first: true,
        }
    }

    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    /// The inputs of the next step, and the target, if it has one.
    fn next(&mut self) -> ([f32; N_INPUTS], Option<[f32; N_OUTPUTS]>) {
        if self.t == 0 {
            self.is_first = self.draw() & 1 == 0;
        }
        let group = match self.is_first {
            true => 0..N_INPUTS / 2,
            false => N_INPUTS / 2..N_INPUTS,
        };
        let mut x = [0.0; N_INPUTS];
        for i in group {
            if self.draw() & 7 == 0 {
                x[i] = 1.0;
            }
        }
        let target = match self.is_first {
            true => [1.0, 0.0],
            false => [0.0, 1.0],
        };
        let is_judged = self.t >= TURN - JUDGED;
        self.t = (self.t + 1) % TURN;
        (x, is_judged.then_some(target))
    }
}

/// What some turns came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Mean over the steps with a target.
    pub loss: f64,
    /// Of all bits of all outputs, and of who fired.
    pub checksum: u64,
    /// Spikes of the neurons.
    pub spikes: u32,
}

/// Goes on learning.
///
/// # Errors
/// Where learning drives a weight out of the finite range.
pub fn learn(
    trainer: &mut EpropTrainer<f32>,
    stream: &mut Stream,
    n_turns: usize,
) -> Result<Report, Error> {
    let mut report = Report {
        loss: 0.0,
        checksum: 0xcbf2_9ce4_8422_2325,
        spikes: 0,
    };
    for _ in 0..n_turns * TURN {
        let (x, target) = stream.next();
        let lesson = target.as_ref().map(Lesson::from).unwrap_or_default();
        let step = trainer.step(&x, lesson)?;
        report.loss += step.loss.unwrap_or(0.0);
        for number in step.output.iter().chain(&step.spikes) {
            report.checksum =
                (report.checksum ^ u64::from(number.to_bits())).wrapping_mul(0x0100_0000_01b3);
        }
        report.spikes += step.spikes.iter().filter(|&&z| z == 1.0).count() as u32;
    }
    report.loss /= (n_turns * JUDGED) as f64;
    Ok(report)
}

/// Of all bits of all weights.
///
/// # Errors
/// None that this network has.
pub fn checksum(trainer: &EpropTrainer<f32>) -> Result<u64, Error> {
    let hash = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    Ok(to_file(trainer)?.iter().fold(0xcbf2_9ce4_8422_2325, hash))
}

/// The whole program: what it says goes line by line to `say`, alike wherever it runs. `count`: instructions so far, where somebody counts them.
///
/// # Errors
/// As [`learn`].
pub fn run(
    mut say: impl FnMut(&str),
    mut measured: impl FnMut(&mut dyn FnMut()),
) -> Result<(), Error> {
    let plan = EpropTrainer::<f32>::plan(N_INPUTS, N_NEURONS, N_OUTPUTS, &config())?;
    let mut trainer = from_file()?;
    let mut stream = Stream::new(7);
    let engine = trainer.engine().as_str();
    say(&alloc::format!(
        "plan: {engine}, {} bytes, of which it holds {}",
        plan.bytes,
        trainer.memory_bytes()
    ));
    for round in 0..4 {
        let mut report = None;
        measured(&mut || report = Some(learn(&mut trainer, &mut stream, 25)));
        let Some(report) = report.transpose()? else {
            break;
        };
        let Report {
            loss,
            checksum,
            spikes,
        } = report;
        say(&alloc::format!(
            "round {round}: loss {loss:.6}, {spikes} spikes, outputs {checksum:016x}"
        ));
    }
    say(&alloc::format!("weights {:016x}", checksum(&trainer)?));
    Ok(())
}
