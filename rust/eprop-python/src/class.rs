//! The methods that Python classes share. PyO3 knows no generic classes, so they are written once, as macros.

/// A class over a type of the crate in either width; `$items` are its own methods.
macro_rules! class {
    ($(#[$doc:meta])* $Class:ident, $Inner:ident, { $($items:tt)* }) => {
        $(#[$doc])*
        #[pyo3::pyclass(frozen, module = "eprop._core")]
        pub struct $Class($crate::cell::Wide<eprop::$Inner<f32>, eprop::$Inner<f64>>);

        #[pyo3::pymethods]
        impl $Class {
            $($items)*

            fn set_lr(&self, py: Python<'_>, lr: f64) -> PyResult<()> {
                at_width!(&self.0, cell => cell.attempt(py, |inner| inner.set_lr(lr)))
            }

            fn reset(&self, py: Python<'_>) -> PyResult<()> {
                at_width!(&self.0, cell => {
                    cell.run(py, |inner| inner.reset())?;
                    cell.warned.set(0);
                    Ok(())
                })
            }

            #[getter]
            fn n_inputs(&self, py: Python<'_>) -> PyResult<usize> {
                at_width!(&self.0, cell => cell.run(py, |inner| inner.n_inputs()))
            }

            #[getter]
            fn memory_per_step(&self, py: Python<'_>) -> PyResult<usize> {
                at_width!(&self.0, cell => cell.run(py, |inner| inner.memory_per_step()))
            }

            #[getter]
            fn memory_bytes(&self, py: Python<'_>) -> PyResult<usize> {
                at_width!(&self.0, cell => cell.run(py, |inner| inner.memory_bytes()))
            }

            /// Which warnings have been given since `reset`.
            #[getter]
            fn warned(&self) -> u8 {
                at_width!(&self.0, cell => cell.warned.get())
            }

            #[setter]
            fn set_warned(&self, warned: u8) {
                at_width!(&self.0, cell => cell.warned.set(warned));
            }

            fn state_equal(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
                use $crate::cell::Wide::{F32, F64};
                match (&self.0, &other.0) {
                    (F32(one), F32(other)) => {
                        $crate::cell::same(py, one, other, |inner| inner.try_clone(), |a, b| a.try_state_equal(b))
                    }
                    (F64(one), F64(other)) => {
                        $crate::cell::same(py, one, other, |inner| inner.try_clone(), |a, b| a.try_state_equal(b))
                    }
                    _ => Ok(false),
                }
            }

            fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, pyo3::types::PyBytes>>> {
                let bytes = at_width!(&self.0, cell => cell.attempt(py, |inner| inner.try_to_bytes()))?;
                $crate::arrays::bytes(py, &bytes)
            }

            /// What was saved, and what the file says of it, as JSON.
            #[staticmethod]
            fn from_bytes(py: Python<'_>, state: Vec<Bound<'_, pyo3::types::PyBytes>>) -> PyResult<(Self, String)> {
                let state = $crate::arrays::joined(py, &state)?;
                let info = $crate::files::info(py, &state)?;
                let made = $crate::cell::Wide::build(
                    py,
                    info.dtype == "float64",
                    || eprop::$Inner::from_bytes_until(&state, $crate::signals::interrupt()),
                    || eprop::$Inner::from_bytes_until(&state, $crate::signals::interrupt()),
                );
                Ok((Self(made?), info.document))
            }

            fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
                at_width!(&self.0, cell => cell.attempt(py, |inner| inner.save(&path)))
            }
        }
    };
}

/// A class that trains on sequences.
macro_rules! trainer_class {
    ($(#[$doc:meta])* $Class:ident, { $($items:tt)* }) => {
        $crate::class::class!($(#[$doc])* $Class, $Class, {
            $($items)*

            #[getter]
            fn batch_size(&self, py: Python<'_>) -> PyResult<usize> {
                at_width!(&self.0, cell => cell.run(py, |trainer| trainer.batch_size()))
            }

            #[getter]
            fn n_updates(&self, py: Python<'_>) -> PyResult<u64> {
                at_width!(&self.0, cell => cell.run(py, |trainer| trainer.n_updates()))
            }

            #[pyo3(signature = (x, target, learning_signal, weight))]
            fn step<'py>(
                &self,
                py: Python<'py>,
                x: &Bound<'py, PyAny>,
                target: Option<&Bound<'py, PyAny>>,
                learning_signal: Option<&Bound<'py, PyAny>>,
                weight: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
                at_width!(&self.0, cell => $crate::step::step(py, cell, x, target, learning_signal, weight))
            }

            #[pyo3(signature = (inputs, targets, mask, weights, lengths, reset, return_outputs, n_threads))]
            #[allow(clippy::too_many_arguments)] // those of the face
            fn train_sequence<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: &Bound<'py, PyAny>,
                mask: Option<&Bound<'py, PyAny>>,
                weights: Option<&Bound<'py, PyAny>>,
                lengths: Option<&Bound<'py, PyAny>>,
                reset: bool,
                return_outputs: bool,
                n_threads: Option<usize>,
            ) -> PyResult<$crate::call::Trained<'py>> {
                at_width!(&self.0, cell => {
                    let call = $crate::call::Call::new(py, cell, inputs, false, n_threads)?;
                    call.with_targets(targets, mask, weights)?.with_lengths(lengths)?.train(reset, return_outputs)
                })
            }

            #[pyo3(signature = (inputs, lengths, reset, return_spikes, n_threads))]
            fn predict_sequence<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                lengths: Option<&Bound<'py, PyAny>>,
                reset: bool,
                return_spikes: bool,
                n_threads: Option<usize>,
            ) -> PyResult<$crate::call::Predicted<'py>> {
                at_width!(&self.0, cell => {
                    let call = $crate::call::Call::new(py, cell, inputs, false, n_threads)?;
                    call.with_lengths(lengths)?.predict(reset, return_spikes)
                })
            }

            #[pyo3(signature = (inputs, targets, mask, weights, lengths, n_threads))]
            #[allow(clippy::too_many_arguments)] // those of the face
            fn evaluate<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: Option<&Bound<'py, PyAny>>,
                mask: Option<&Bound<'py, PyAny>>,
                weights: Option<&Bound<'py, PyAny>>,
                lengths: Option<&Bound<'py, PyAny>>,
                n_threads: Option<usize>,
            ) -> PyResult<(f64, Bound<'py, PyAny>)> {
                at_width!(&self.0, cell => {
                    let mut call = $crate::call::Call::new(py, cell, inputs, true, n_threads)?;
                    if let Some(targets) = targets {
                        call = call.with_targets(targets, mask, weights)?;
                    }
                    call.with_lengths(lengths)?.evaluate(targets.is_some())
                })
            }

            #[pyo3(signature = (inputs, targets, mask, weights, lengths, n_threads))]
            #[allow(clippy::too_many_arguments)] // those of the face
            fn gradients<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: &Bound<'py, PyAny>,
                mask: Option<&Bound<'py, PyAny>>,
                weights: Option<&Bound<'py, PyAny>>,
                lengths: Option<&Bound<'py, PyAny>>,
                n_threads: Option<usize>,
            ) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
                at_width!(&self.0, cell => {
                    let call = $crate::call::Call::new(py, cell, inputs, false, n_threads)?;
                    call.with_targets(targets, mask, weights)?.with_lengths(lengths)?.gradients(|trainer, n| trainer.gradient_run(n))
                })
            }

            #[pyo3(signature = (inputs, targets, mask, weights, lengths, return_outputs, n_threads))]
            #[allow(clippy::too_many_arguments)] // those of the face
            fn train_for_gradients<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: &Bound<'py, PyAny>,
                mask: Option<&Bound<'py, PyAny>>,
                weights: Option<&Bound<'py, PyAny>>,
                lengths: Option<&Bound<'py, PyAny>>,
                return_outputs: bool,
                n_threads: Option<usize>,
            ) -> PyResult<$crate::call::Taken<'py>> {
                at_width!(&self.0, cell => {
                    let call = $crate::call::Call::new(py, cell, inputs, false, n_threads)?;
                    call.with_targets(targets, mask, weights)?.with_lengths(lengths)?.train_for_gradients(return_outputs)
                })
            }

            fn apply_gradients(&self, py: Python<'_>, gradients: &Bound<'_, pyo3::types::PyDict>) -> PyResult<()> {
                at_width!(&self.0, cell => {
                    let _turn = cell.take(py)?;
                    let gradients = $crate::net::Net::take(gradients, &*cell.lock())?;
                    let applied = py.detach(|| cell.lock().apply_gradients(&gradients));
                    applied.map_err($crate::net::raise_of_gradients)
                })
            }

            fn calibrate(&self, py: Python<'_>, inputs: &Bound<'_, PyAny>, rate: f64) -> PyResult<Vec<(f64, f64, f64)>> {
                at_width!(&self.0, cell => {
                    $crate::call::Call::new(py, cell, inputs, true, None)?.calibrate(rate)
                })
            }

            fn update(&self, py: Python<'_>) -> PyResult<()> {
                at_width!(&self.0, cell => cell.attempt(py, |trainer| trainer.update()))
            }
        });
    };
}

pub(crate) use {class, trainer_class};
