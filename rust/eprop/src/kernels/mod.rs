//! The row operations that the time goes into: the only unsafe code of the crate.
//! Each kernel is a safe function, written once, compiled for each instruction set, dispatched at run time.
#![allow(
    unsafe_code,
    reason = "instruction sets beyond the baseline, and rows cut without bounds checks"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "a loop over lanes is what becomes a vector"
)]

mod adaptive;
mod block;
mod columns;
mod credit;
#[cfg(feature = "parallel")]
pub(crate) mod crew;
mod factored;
mod factored_adaptive;
mod factored_momentum;
pub(crate) mod isa;
mod lengths;
mod lengths_adaptive;
mod listed;
mod listed_adaptive;
mod neuron;
mod optimizer;
mod rows;
mod textbook;
pub(crate) mod zeroed;

pub(crate) use adaptive::{OwnMut, step_adaptive};
pub(crate) use block::{
    Adapting, Carry, Finish, Flowing, Gather, OnRaw, Scan, copy_to_tiles, filter_back, gather,
    scan, scan_adaptation, scan_adaptive,
};
pub(crate) use columns::{ColumnsOfTile, gather_columns};
pub(crate) use credit::{
    Backwards, Dots, MOST_LANES, RowOfTiles, dot_lists_at, dot_rows_of_lanes, flow_back,
    nonzeros_of_tiles, send_back, step_backwards,
};
pub(crate) use factored::{
    Factors, FactorsMut, Silence, SilenceMut, Silences, StepScales, Visit, catch_up, compose,
    current_of_factors, follow_spikes, scaled_current_of_factors, step_factors,
};
pub(crate) use factored_adaptive::{
    AdaptiveFactorsMut, AdaptiveSilence, AdaptiveSilenceMut, AdaptiveSilences, Course, Responses,
    ResponsesMut, RowsMut, SumsMut, catch_up_adaptive, compose_adaptive, current_of_adaptation,
    follow_spikes_adaptive, step_adaptive_factors, step_responses,
};
pub(crate) use factored_momentum::{
    Blend, Drift, DriftMut, DriftRowsMut, DriftSumsMut, Drifts, MomentumMut, MomentumScales, Undo,
    catch_up_drift, compose_drifts, current_of_drift, follow_spikes_drift, step_momentum,
};
pub(crate) use lengths::{
    Squares, SquaresMut, length_beyond, length_of_factors, squared_length, step_lengths,
};
pub(crate) use lengths_adaptive::{
    AdaptiveGrowth, AdaptiveSquares, AdaptiveSquaresMut, dot_products, length_of_adaptive_factors,
    step_adaptive_lengths,
};
pub(crate) use listed::{
    CurrentOfPart, Entries, FoldedRow, LANES, ListedRow, ListedRows, ListedSquares, Lists,
    RowsOfPart, add_listed, catch_up_listed, compose_listed, current_of_listed, follow_listed,
    follow_resting, interleave, pairs, pairs_mut, send_listed, step_listed_lengths, unfold_listed,
};
pub(crate) use listed_adaptive::{
    AdaptiveFoldedRow, AdaptiveListedRows, AdaptiveListedSquares, SUMS, WIDE, WIDER,
    catch_up_listed_adaptive, compose_listed_adaptive, current_of_listed_adaptive,
    follow_listed_adaptive, follow_resting_adaptive, interleave_adaptive,
    step_listed_adaptive_lengths, unfold_listed_adaptive,
};
pub(crate) use neuron::{Membrane, NeuronsMut, flow, step_neurons};
pub(crate) use optimizer::{
    AdamStep, MomentumStep, ShrinkStep, adam, momentum, shrink, shrink_by, shrink_listed,
};
pub(crate) use rows::{
    add_or_cancel_row, add_products, add_row, add_rows, add_scaled_rows, all_within, dot_rows,
    mix_rows, multiply_add, nonzeros, scale_row, send_and_shift,
};
pub(crate) use textbook::{
    Eligibility, add_scaled, add_scaled_listed, add_scaled_rows_by, all_finite, all_finite_times,
    gather_listed, silence,
};

/// The width of a tile of neurons: 128 bytes, the unit in which a scan works.
pub(crate) const fn tile_width<F>() -> usize {
    128 / size_of::<F>()
}

/// Writes, for one kernel with the generic parameters `I: Isa` and `F: Float` in its body, the portable function, the AVX2
/// function, and the choice between them.
macro_rules! kernel {
    ($(#[$meta:meta])* fn $name:ident $(<const $width:ident>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        #[inline]
        pub(crate) fn $name<F: crate::Float $(, const $width: usize)?>($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body<I: crate::kernels::isa::Isa, F: crate::Float $(, const $width: usize)?>($($arg: $type),*) $(-> $out)? $body

            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            {
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2<F: crate::Float $(, const $width: usize)?>($($arg: $type),*) $(-> $out)? {
                    body::<crate::kernels::isa::Avx2, F $(, $width)?>($($arg),*)
                }
                if crate::kernels::isa::avx2() {
                    // SAFETY: the processor has AVX2 and FMA, or the path would not have been chosen.
                    return unsafe { avx2::<F $(, $width)?>($($arg),*) };
                }
            }
            body::<crate::kernels::isa::Portable, F $(, $width)?>($($arg),*)
        }
    };
}
use kernel;

/// `W` numbers of `row` from `at` on, as an array, so that loops over it unroll into vectors.
///
/// # Safety
/// `at + W <= row.len()`.
#[inline(always)]
unsafe fn cut<F, const W: usize>(row: &[F], at: usize) -> &[F; W] {
    debug_assert!(at + W <= row.len());
    // SAFETY: the caller's promise; an array has its element's alignment.
    unsafe { &*row.as_ptr().add(at).cast() }
}

/// As [`cut`], to write.
///
/// # Safety
/// `at + W <= row.len()`.
#[inline(always)]
unsafe fn cut_mut<F, const W: usize>(row: &mut [F], at: usize) -> &mut [F; W] {
    debug_assert!(at + W <= row.len());
    // SAFETY: the caller's promise; an array has its element's alignment.
    unsafe { &mut *row.as_mut_ptr().add(at).cast() }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use crate::Float;
    use crate::testing::run_again;

    /// `a b + c` as the path at work rounds it.
    pub(super) fn fma<F: Float>(a: F, b: F, c: F) -> F {
        #[cfg(feature = "std")]
        if super::isa::avx2() {
            return a.mul_add(b, c);
        }
        a * b + c
    }

    /// The path is chosen once per process, so the portable one takes a process of its own.
    #[test]
    fn the_portable_path_holds_all_of_this() {
        if crate::isa() != "portable" {
            run_again("kernels::", "EPROP_ISA", "portable");
        }
    }
}
