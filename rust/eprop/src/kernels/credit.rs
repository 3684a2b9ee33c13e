//! Credit through recurrent spikes (DESIGN.md, "Credit through recurrent spikes"): one step backwards for some neurons.

use super::block::{Adapting, Flowing};
use super::isa::{Isa, UNIT};
use super::listed::Lists;
use super::{cut, cut_mut, kernel};
use crate::Float;

/// What a step backwards reads, of all neurons.
#[derive(Clone, Copy)]
pub(crate) struct Backwards<'a, F> {
    pub(crate) alpha: F,
    pub(crate) psi: RowOfTiles<'a, F>,
    /// `zeta_e`, on `B R`.
    pub(crate) c: F,
    /// `B R`; empty where no errors go back.
    pub(crate) l: &'a [F],
    /// The regulariser's coefficients, which lie as psi does; empty without them.
    pub(crate) r: &'a [F],
    /// What the recurrent spikes of this step are credited with.
    pub(crate) d: &'a [F],
    /// Of neurons whose thresholds move.
    pub(crate) adapting: Option<Adapting<'a, F>>,
}

/// Row `u` of numbers that lie tile by tile, each with `steps` rows.
#[derive(Clone, Copy)]
pub(crate) struct RowOfTiles<'a, F> {
    pub(crate) tiles: &'a [F],
    pub(crate) steps: usize,
    pub(crate) u: usize,
}

impl<'a, F> RowOfTiles<'a, F> {
    /// Whether all of it is there, `stride` long.
    fn holds(&self, stride: usize) -> bool {
        stride % UNIT == 0 && self.u < self.steps && self.steps * stride <= self.tiles.len()
    }

    /// Where the numbers of each unit of a row of `stride` lie.
    fn places(&self, stride: usize) -> impl Iterator<Item = usize> + use<F> {
        let (steps, u, tile) = (self.steps, self.u, super::tile_width::<F>());
        (0..stride).step_by(UNIT).map(move |j| {
            let column = j / tile * tile;
            column * steps + u * tile.min(stride - column) + j - column
        })
    }
}

kernel! {
    /// `R = err + kappa_e R` and `l = B R`, of as many neurons as `l` is long. The errors of this step are the last of `errs`, after those of the steps before.
    fn send_back(errs: &[F], kappa_e: F, b: &[F], filtered: &mut [F], l: &mut [F]) {
        let before = errs.len() - filtered.len();
        I::fetch_at(errs.as_ptr().wrapping_add(before).wrapping_sub(filtered.len()));
        for (filtered, &err) in filtered.iter_mut().zip(&errs[before..]) {
            *filtered = err + kappa_e * *filtered;
        }
        super::rows::mix_all::<I, F>(b, l.len(), filtered, l);
    }
}

kernel! {
    /// `q = psi g + alpha q` with `g = c B R + r + d`, in the order in which [`scan`](super::scan) adds it up; where thresholds move, with
    /// `g = c B R + r + d + m`, and then `m = rho m - beta psi g`. As many neurons as `q` is long, a multiple of [`UNIT`].
    fn step_backwards(step: Backwards<'_, F>, q: &mut [F], m: &mut [F]) {
        let stride = q.len();
        let Backwards { alpha, psi, c, l, r, d, adapting } = step;
        assert!(psi.holds(stride) && (r.is_empty() || RowOfTiles { tiles: r, ..psi }.holds(stride)));
        for (from, place) in (0..stride).step_by(UNIT).zip(psi.places(stride)) {
            let mut g = [F::ZERO; UNIT];
            if let Some(l) = l.get(from..from + UNIT) {
                for j in 0..UNIT {
                    g[j] = c * l[j];
                }
            }
            if !r.is_empty() {
                // SAFETY: its row holds the stride.
                let r = unsafe { cut::<F, UNIT>(r, place) };
                for j in 0..UNIT {
                    g[j] += r[j];
                }
            }
            let d = &d[from..from + UNIT];
            for j in 0..UNIT {
                g[j] += d[j];
            }
            // SAFETY: as above.
            let psi = unsafe { cut::<F, UNIT>(psi.tiles, place) };
            if let Some(Adapting { beta, rho }) = adapting {
                let (beta, rho) = (&beta[from..from + UNIT], &rho[from..from + UNIT]);
                let m = &mut m[from..from + UNIT];
                for j in 0..UNIT {
                    g[j] += m[j];
                    m[j] = rho[j] * m[j] - beta[j] * (psi[j] * g[j]);
                }
            }
            let q = &mut q[from..from + UNIT];
            for j in 0..UNIT {
                q[j] = I::fma(psi[j], g[j], alpha * q[j]);
            }
        }
    }
}

kernel! {
    /// After a step whose `alpha` is 0 and whose `q` is `x`: `q = x + alpha q`, `p = q + sigma p`.
    fn flow_back(membranes: Flowing<'_, F>, x: &[F], q: &mut [F], p: &mut [F]) {
        let n = x.len();
        let (alpha, q, p) = (&membranes.alpha[..n], &mut q[..n], &mut p[..n]);
        for j in 0..n {
            q[j] = I::fma(alpha[j], q[j], x[j]);
            p[j] = I::fma(membranes.sigma, p[j], q[j]);
        }
    }
}

/// Of each byte, which of its bits are set, and how many.
const SET_BITS: [([u8; 8], u8); 256] = {
    let mut all = [([0; 8], 0); 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bits, mut count) = ([0; 8], 0);
        let mut bit = 0;
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                bits[count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        all[byte] = (bits, count as u8);
        byte += 1;
    }
    all
};

kernel! {
    /// Writes which numbers of a row of tiles are not 0, ascending, and returns how many; the row is as long as `index`, a multiple of [`UNIT`]. What `index` holds beyond
    /// them may be anything: no branch depends on a bit. It asks for the row before, too, which whoever goes backwards needs next.
    fn nonzeros_of_tiles(row: RowOfTiles<'_, F>, index: &mut [u32]) -> usize {
        let stride = index.len();
        assert!(row.holds(stride));
        let width = super::tile_width::<F>();
        let mut count = 0;
        for (from, place) in (0..stride).step_by(UNIT).zip(row.places(stride)) {
            // SAFETY: the row holds the stride.
            let unit = unsafe { cut::<F, UNIT>(row.tiles, place) };
            I::fetch_at(unit.as_ptr().wrapping_sub(width));
            let bits = I::nonzero(unit);
            for half in 0..UNIT / 8 {
                let first = (from + 8 * half) as u32;
                let (set, n) = &SET_BITS[(bits >> (8 * half) & 0xFF) as usize];
                // SAFETY: no more than `first` have been written, and 8 more numbers from `first` on belong to the row.
                let to = unsafe { cut_mut::<u32, 8>(index, count) };
                for l in 0..8 {
                    to[l] = first + u32::from(set[l]);
                }
                count += usize::from(*n);
            }
        }
        count
    }
}

/// Lanes at most.
pub(crate) const MOST_LANES: usize = 24;

/// A vector for each lane, which is multiplied with some of the rows that all lanes share.
#[derive(Clone, Copy)]
pub(crate) struct Dots<'a, F> {
    pub(crate) rows: &'a [F],
    pub(crate) scale: F,
    /// A row per lane, as long as `rows` have it, a multiple of [`UNIT`].
    pub(crate) x: &'a [F],
    /// How many rows a lane needs, and which: ascending, from the lane's place in a row per lane.
    pub(crate) counts: &'a [usize],
    pub(crate) index: &'a [u32],
}

/// Bytes of rows that are multiplied with the vectors of all lanes before the next are read, so that they stay in the first cache.
const NEAR: usize = 1 << 14;

kernel! {
    /// `to_i = scale sum_j rows_ij x_j` for the rows that a lane needs, in the lane's row of `to`. Each sum is made in `UNIT` lanes, which
    /// are added up last: no bit of it depends on which other rows and vectors there are.
    fn dot_rows_of_lanes(dots: Dots<'_, F>, to: &mut [F]) {
        let lanes = dots.counts.len();
        let stride = dots.x.len() / lanes.max(1);
        assert!(stride > 0 && stride % UNIT == 0);
        let n = dots.rows.len() / stride;
        let near = match lanes {
            1 => n,
            _ => NEAR / size_of::<F>() / stride,
        };
        let near = near.max(1);
        let of_lane = |lane: usize| lane * stride..(lane + 1) * stride;
        let mut done = [0; MOST_LANES];
        for until in (near..n + near).step_by(near) {
            for (lane, done) in done[..lanes].iter_mut().enumerate() {
                let (x, to) = (&dots.x[of_lane(lane)], &mut to[of_lane(lane)]);
                let mut left = &dots.index[of_lane(lane)][*done..dots.counts[lane]];
                while left.first().is_some_and(|&next| (next as usize) < until) {
                    left = next_dots::<I, F>(dots.rows, left, dots.scale, x, to);
                }
                *done = dots.counts[lane] - left.len();
            }
        }
    }
}

kernel! {
    /// The same of one vector and rows that are listed: of each neuron `i` of `index` the synapses of source `first + i`.
    fn dot_lists_at(lists: Lists<'_>, w: &[F], first: usize, index: &[u32], scale: F, x: &[F], to: &mut [F]) {
        for &i in index {
            let row = lists.row((first + i as usize) as u32);
            let mut sum = F::ZERO;
            for (&j, &w) in lists.targets[row.clone()].iter().zip(&w[row]) {
                sum = I::fma(w, x[j as usize], sum);
            }
            to[i as usize] = scale * sum;
        }
    }
}

/// The first rows of `index`, as many as have their lanes in the registers; returns the rest of it.
#[inline(always)]
fn next_dots<'a, I: Isa, F: Float>(
    rows: &[F],
    index: &'a [u32],
    scale: F,
    x: &[F],
    to: &mut [F],
) -> &'a [u32] {
    let all = if size_of::<F>() == 4 { 4 } else { 2 };
    match index.len() {
        4.. if all == 4 => dots::<I, F, 4>(rows, index, scale, x, to),
        2.. => dots::<I, F, 2>(rows, index, scale, x, to),
        _ => dots::<I, F, 1>(rows, index, scale, x, to),
    }
}

/// The first `G` rows of `index`; returns the rest of it.
#[inline(always)]
fn dots<'a, I: Isa, F: Float, const G: usize>(
    rows: &[F],
    index: &'a [u32],
    scale: F,
    x: &[F],
    to: &mut [F],
) -> &'a [u32] {
    let stride = x.len();
    let (group, rest) = index.split_at(G);
    let of_group: [&[F]; G] =
        core::array::from_fn(|g| &rows[group[g] as usize * stride..][..stride]);
    let mut lanes = [[F::ZERO; UNIT]; G];
    for j in (0..stride).step_by(UNIT) {
        // SAFETY: the rows and x are stride long, a multiple of UNIT.
        let x = unsafe { cut::<F, UNIT>(x, j) };
        for (lanes, row) in lanes.iter_mut().zip(of_group) {
            // SAFETY: as above.
            let row = unsafe { cut::<F, UNIT>(row, j) };
            for l in 0..UNIT {
                lanes[l] = I::fma(row[l], x[l], lanes[l]);
            }
        }
    }
    for (lanes, &i) in lanes.iter().zip(group) {
        to[i as usize] = scale * I::sum(lanes);
    }
    rest
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{
        Adapting, Backwards, Dots, Flowing, RowOfTiles, dot_rows_of_lanes, flow_back,
        nonzeros_of_tiles, send_back, step_backwards,
    };
    use crate::Float;
    use crate::kernels::tests::fma;
    use crate::kernels::{copy_to_tiles, tile_width};
    use crate::testing::{Noise, in_both, near, same_bits};

    const STEPS: usize = 3;

    /// Rows of 48 in tiles.
    fn tiles<F: Float>(rows: &[Vec<F>; STEPS]) -> Vec<F> {
        let mut tiles = alloc::vec![F::ZERO; STEPS * 48];
        for (u, row) in rows.iter().enumerate() {
            copy_to_tiles(row, tile_width::<F>(), STEPS, u, &mut tiles);
        }
        tiles
    }

    in_both! {
        fn a_step_backwards_takes_in_errors_regulariser_and_recurrent_credit<F>() {
            let mut noise = Noise(1);
            let (alpha, c) = (F::cast(0.9), F::cast(0.75));
            let [l, d, q_is, m_is] = core::array::from_fn(|_| noise.numbers::<F>(48));
            let [beta, rho] = core::array::from_fn(|_| noise.numbers::<F>(48));
            let [psis, rs]: [[_; STEPS]; 2] = core::array::from_fn(|_| core::array::from_fn(|_| noise.numbers::<F>(48)));
            let [psi_tiles, r_tiles] = [&psis, &rs].map(tiles);
            let moving = Some(Adapting { beta: &beta, rho: &rho });
            for (u, (l, r, adapting)) in [(1, (&l[..], &r_tiles[..], None)), (0, (&l, &[], moving)), (2, (&[], &r_tiles, moving)), (1, (&[], &[], None))] {
                let psi = RowOfTiles { tiles: &psi_tiles, steps: STEPS, u };
                let (mut q, mut m) = (q_is.clone(), m_is.clone());
                step_backwards(Backwards { alpha, psi, c, l, r, d: &d, adapting }, &mut q, &mut m);
                let (mut q_expected, mut m_expected) = (q_is.clone(), m_is.clone());
                let (psi, of_r) = (&psis[u], !r.is_empty());
                for j in 0..48 {
                    let mut g = l.get(j).map_or(F::ZERO, |&l| c * l);
                    if of_r {
                        g += rs[u][j];
                    }
                    g += d[j];
                    if adapting.is_some() {
                        g += m_is[j];
                        m_expected[j] = rho[j] * m_is[j] - beta[j] * (psi[j] * g);
                    }
                    q_expected[j] = fma(psi[j], g, alpha * q_is[j]);
                }
                same_bits("q", &q, &q_expected);
                same_bits("m", &m, &m_expected);
            }
        }
    }

    in_both! {
        fn errors_are_filtered_and_sent_back<F>() {
            let mut noise = Noise(5);
            let (errs, b, before) = (noise.numbers::<F>(6), noise.numbers::<F>(2 * 48), noise.numbers::<F>(2));
            let kappa_e = F::cast(0.75);
            let (mut filtered, mut l) = (before.clone(), noise.numbers::<F>(48));
            send_back(&errs, kappa_e, &b, &mut filtered, &mut l);
            let r: Vec<F> = (0..2).map(|k| errs[4 + k] + kappa_e * before[k]).collect();
            let expected: Vec<F> = (0..48).map(|j| fma(r[1], b[48 + j], fma(r[0], b[j], F::ZERO))).collect();
            same_bits("R", &filtered, &r);
            same_bits("l", &l, &expected);
        }
    }

    in_both! {
        fn a_step_goes_back_through_membrane_and_current<F>() {
            let mut noise = Noise(3);
            let [alpha, x, q_was, p_was] = core::array::from_fn(|_| noise.numbers::<F>(21));
            let (mut q, mut p) = (q_was.clone(), p_was.clone());
            let sigma = F::cast(0.75);
            flow_back(Flowing { alpha: &alpha, zeta: &[], sigma }, &x, &mut q, &mut p);
            let q_is: Vec<F> = (0..21).map(|j| fma(alpha[j], q_was[j], x[j])).collect();
            let p_is: Vec<F> = (0..21).map(|j| fma(sigma, p_was[j], q_is[j])).collect();
            same_bits("q", &q, &q_is);
            same_bits("p", &p, &p_is);
        }
    }

    in_both! {
        fn numbers_of_tiles_that_are_not_zero_are_listed<F>() {
            let mut noise = Noise(6);
            for share in [0.0, 0.05, 0.4, 1.0] {
                let rows: [_; STEPS] = core::array::from_fn(|_| {
                    let mut row: Vec<F> = (0..48).map(|j| F::cast(if j % 2 == 0 { 0.0 } else { -0.0 })).collect();
                    noise.some_of(48, share).into_iter().for_each(|j| row[j as usize] = F::cast(-0.5));
                    row
                });
                for (u, row) in rows.iter().enumerate() {
                    let mut index = [7; 48];
                    let n = nonzeros_of_tiles(RowOfTiles { tiles: &tiles(&rows), steps: STEPS, u }, &mut index);
                    let expected: Vec<u32> = (0..48).filter(|&j| row[j as usize] != F::ZERO).collect();
                    assert_eq!(index[..n], expected);
                }
            }
        }
    }

    in_both! {
        fn products_with_rows_are_summed_in_lanes_whatever_other_rows_and_vectors_there_are<F>() {
            let mut noise = Noise(2);
            // Rows of which many are near each other, some, and less than one.
            for stride in [16, 48, 256, 4112] {
                let (rows, x, before) = (noise.numbers::<F>(9 * stride), noise.numbers::<F>(3 * stride), noise.numbers::<F>(3 * stride));
                let scale = F::cast(0.5);
                let dot = |m: usize, i: usize| {
                    let mut lanes = [F::ZERO; 16];
                    (0..stride).for_each(|j| lanes[j % 16] = fma(rows[i * stride + j], x[m * stride + j], lanes[j % 16]));
                    for half in [8, 4, 2, 1] {
                        (0..half).for_each(|l| lanes[l] += lanes[l + half]);
                    }
                    scale * lanes[0]
                };
                let lists = [&[][..], &[3], &[0, 8], &[1, 2, 5], &[0, 2, 4, 6], &[0, 1, 2, 3, 4, 5, 6, 7, 8]];
                for first in 0..lists.len() {
                    for lanes in [1, 3] {
                        let lists: Vec<&[u32]> = (0..lanes).map(|m| lists[(first + m) % lists.len()]).collect();
                        let counts: Vec<_> = lists.iter().map(|list| list.len()).collect();
                        let mut index = alloc::vec![0; lanes * stride];
                        lists.iter().enumerate().for_each(|(m, list)| index[m * stride..][..list.len()].copy_from_slice(list));
                        let mut to = before.clone();
                        dot_rows_of_lanes(Dots { rows: &rows, scale, x: &x[..lanes * stride], counts: &counts, index: &index }, &mut to);
                        let mut expected = before.clone();
                        for (m, list) in lists.iter().enumerate() {
                            list.iter().for_each(|&i| expected[m * stride + i as usize] = dot(m, i as usize));
                        }
                        same_bits("dots", &to, &expected);
                    }
                }
            }
        }
    }

    in_both! {
        fn products_of_lists_are_those_of_rows_with_zeros<F>() {
            use crate::kernels::{Lists, dot_lists_at};
            // Two inputs before three neurons.
            let (starts, targets) = ([0, 2, 3, 5, 5, 8], [0, 1, 2, 0, 2, 0, 1, 2]);
            let lists = Lists { starts: &starts, targets: &targets };
            let mut noise = Noise(4);
            let (w, x) = (noise.numbers::<F>(8), noise.numbers::<F>(3));
            let mut to = noise.numbers::<F>(3);
            let kept = to[0];
            dot_lists_at(lists, &w, 2, &[1, 2], F::cast(0.5), &x, &mut to);
            let sum = (5..8).map(|at| w[at].to_f64() * x[targets[at] as usize].to_f64()).sum::<f64>();
            near("d", &to, &[kept.to_f64(), 0.0, 0.5 * sum]);
        }
    }
}
