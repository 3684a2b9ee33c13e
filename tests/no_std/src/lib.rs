//! A trainer in a program without a standard library, called from C.
#![no_std]

extern crate alloc;

mod arena;

use eprop::{Config, EpropTrainer, Error, TrainOptions, UpdateEvery};
use ndarray::{Array1, Array2, ArrayView1};

const N_INPUTS: usize = 10;
const N_NEURONS: usize = 20;
const N_STEPS: usize = 100;

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort() of the C library takes no argument and may be called at any time.
    unsafe { abort() }
}

/// One input fires at a step, in turn: of the first half of the inputs in the first half of the steps, of the others then.
fn inputs() -> Array2<f64> {
    Array2::from_shape_fn((N_STEPS, N_INPUTS), |(t, i)| {
        let is_turn = (t + i) % 5 == 0;
        let is_half = (t < N_STEPS / 2) == (i < N_INPUTS / 2);
        f64::from(u8::from(is_turn && is_half))
    })
}

/// One answer to each half.
fn targets() -> Array2<f64> {
    Array2::from_shape_fn(
        (N_STEPS, 1),
        |(t, _)| if t < N_STEPS / 2 { 0.5 } else { -0.5 },
    )
}

/// Mean loss of the first and of the last of 50 repetitions of one sequence.
fn learn() -> Result<[f64; 2], Error> {
    let config = Config {
        update_every: UpdateEvery::Sequence,
        ..Config::default()
    };
    let mut trainer = EpropTrainer::<f64>::new(N_INPUTS, N_NEURONS, 1, config)?;
    let (inputs, targets) = (inputs(), targets());
    trainer.calibrate(inputs.view(), 30.0)?;
    let first = trainer
        .train_sequence(inputs.view(), targets.view(), TrainOptions::default())?
        .loss;
    let mut last = first;
    for _ in 1..50 {
        last = trainer
            .train_sequence(inputs.view(), targets.view(), TrainOptions::default())?
            .loss;
    }
    Ok([first, last])
}

/// Spikes of 100 single steps, in the other precision.
fn stream() -> Result<u32, Error> {
    let mut trainer = EpropTrainer::<f32>::new(N_INPUTS, N_NEURONS, 1, Config::default())?;
    let x = Array1::from_elem(N_INPUTS, 1.0);
    let target = [0.5];
    let mut spikes = 0;
    for _ in 0..N_STEPS {
        let out = trainer.step(x.view(), Some(ArrayView1::from(&target)))?;
        spikes += out.spikes.iter().filter(|&&z| z == 1.0).count() as u32;
    }
    Ok(spikes)
}

/// A trainer of a file that is part of the program; a copy of it through bytes goes on as it does.
fn file() -> Result<bool, Error> {
    let bytes = include_bytes!("../../../rust/eprop/tests/files/rust_recurrent.safetensors");
    let mut trainer = EpropTrainer::<f64>::from_bytes(bytes)?;
    let mut twin = EpropTrainer::from_bytes(&trainer.try_to_bytes()?)?;
    let x = Array1::from_elem(trainer.n_inputs(), 1.0);
    for trainer in [&mut trainer, &mut twin] {
        trainer.step(x.view(), None)?;
    }
    Ok(twin.state_equal(&trainer))
}

/// What `main.c` prints and judges. Plain numbers, so that no header has to be kept in step.
#[repr(C)]
pub struct Report {
    first_loss: f64,
    last_loss: f64,
    spikes: u32,
    failed: u32,
}

#[unsafe(no_mangle)]
pub extern "C" fn eprop_check() -> Report {
    match learn().and_then(|losses| Ok((losses, stream()?, file()?))) {
        Ok(([first_loss, last_loss], spikes, goes_on)) => Report {
            first_loss,
            last_loss,
            spikes,
            failed: u32::from(!goes_on),
        },
        Err(_) => Report {
            first_loss: 0.0,
            last_loss: 0.0,
            spikes: 0,
            failed: 1,
        },
    }
}
