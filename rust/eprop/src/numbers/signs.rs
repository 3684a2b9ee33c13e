//! Dale's law.

use alloc::sync::Arc;

use super::wires::Wires;
use crate::Float;

/// Dale's law, of rows so wide or of synapses that are listed.
#[derive(Clone, Copy)]
pub(super) struct Signs<'a> {
    of_rows: &'a [i8],
    width: usize,
    wires: Option<&'a Wires>,
}

impl<'a> Signs<'a> {
    pub(super) fn of(
        signs: &'a Option<Arc<[i8]>>,
        width: usize,
        wires: &'a Option<Arc<Wires>>,
    ) -> Option<Self> {
        signs.as_ref().map(|of_rows| Self {
            of_rows,
            width,
            wires: wires.as_deref(),
        })
    }
}

/// Weights that left the sign of their row become 0; `at`: number of the first in its matrix.
pub(super) fn keep_signs<F: Float>(signs: Option<Signs<'_>>, at: usize, w: &mut [F]) {
    let Some(signs) = signs else {
        return;
    };
    let width = signs.width;
    let mut done = 0;
    while done < w.len() {
        let (row, end) = match signs.wires {
            None => ((at + done) / width, done + width - (at + done) % width),
            Some(wires) => {
                let source = wires.source_of(at + done);
                (source, wires.row(source).end - at)
            }
        };
        let end = w.len().min(end);
        let sign = F::cast(f64::from(signs.of_rows[row]));
        for w in &mut w[done..end] {
            if sign * *w < F::ZERO {
                *w = F::ZERO;
            }
        }
        done = end;
    }
}
