//! `Peers`: the other processes of a network that is spread over several.

use alloc::vec::Vec;
use core::fmt::Debug;

/// The processes that have the other neurons of a network of which a trainer has a [`Part`](crate::Part).
///
/// All of them train on the same inputs and targets, and so call `exchange` equally often, with as many numbers. In a step that learns the first call comes when the
/// neurons have fired, with what they send to the readouts; another where the length of the step's gradient is measured, and one or two at an update.
///
/// A process that has lost the others can't say so here: it leaves everything as it is, and makes the trainer's [`Interrupt`](crate::Interrupt) stop.
///
/// ```
/// use std::sync::{Arc, Barrier, Mutex};
/// use eprop::{Config, Connect, EpropTrainer, Part, Peers, TrainOptions};
///
/// /// Two threads in the place of processes.
/// #[derive(Debug)]
/// struct Pair { own: usize, table: Arc<[Mutex<(Vec<u32>, Vec<f64>)>; 2]>, met: Arc<Barrier> }
///
/// impl Peers for Pair {
///     fn exchange(&self, fired: &[u32], sums: &mut [f64], all_fired: &mut Vec<u32>) {
///         *self.table[self.own].lock().unwrap() = (fired.to_vec(), sums.to_vec());
///         self.met.wait();
///         sums.fill(0.0);
///         for of_one in &*self.table {
///             let (fired, numbers) = &*of_one.lock().unwrap();
///             all_fired.extend(fired);
///             sums.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x);
///         }
///         self.met.wait();
///     }
/// }
///
/// let (table, met) = (Arc::new(Default::default()), Arc::new(Barrier::new(2)));
/// let (x, y) = (ndarray::Array2::ones((50, 3)), ndarray::Array2::ones((50, 2)));
/// let config = Config { connect_rec: Connect::Density(0.5), ..Config::default() };
/// let whole = EpropTrainer::<f64>::new(3, 10, 2, config.clone())?.train_sequence(x.view(), y.view(), TrainOptions::default())?;
/// std::thread::scope(|scope| {
///     for own in 0..2 {
///         let part = Part { first: 5 * own, all: 10, ..Part::default() };
///         let mut trainer = EpropTrainer::<f64>::new(3, 5, 2, Config { part: Some(part), ..config.clone() }).unwrap();
///         trainer.set_peers(Arc::new(Pair { own, table: Arc::clone(&table), met: Arc::clone(&met) }));
///         let (x, y, whole) = (&x, &y, &whole);
///         scope.spawn(move || {
///             let trained = trainer.train_sequence(x.view(), y.view(), TrainOptions::default()).unwrap();
///             assert!((trained.loss - whole.loss).abs() < 1e-10);
///         });
///     }
/// });
/// # Ok::<(), eprop::Error>(())
/// ```
pub trait Peers: Debug + Send + Sync {
    /// `fired`: which of this process's neurons have fired, by their numbers in the whole network, ascending. Appends those of all processes to `all_fired`, which is empty,
    /// ascending, these among them; and puts the sums over all processes in the place of `sums`, added in an order that is the same in each.
    fn exchange(&self, fired: &[u32], sums: &mut [f64], all_fired: &mut Vec<u32>);
}
