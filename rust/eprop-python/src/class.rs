//! The methods that Python classes share. PyO3 knows no generic classes, so they are written once, as macros.

/// A class over the crate's engine of one name; `$items` are its own methods.
macro_rules! class {
    ($(#[$doc:meta])* $Class:ident, $Engine:ident, { $($items:tt)* }) => {
        $(#[$doc])*
        #[pyo3::pyclass(frozen, module = "eprop._core")]
        pub struct $Class($crate::cell::Wide<eprop::$Engine<f32>, eprop::$Engine<f64>>);

        #[pyo3::pymethods]
        impl $Class {
            $($items)*

            fn set_lr(&self, py: Python<'_>, lr: f64) -> PyResult<()> {
                each!(&self.0, cell => cell.attempt(py, |engine| engine.set_lr(lr)))
            }

            fn reset(&self, py: Python<'_>) -> PyResult<()> {
                each!(&self.0, cell => cell.run(py, |engine| engine.reset()))
            }

            #[getter]
            fn n_inputs(&self, py: Python<'_>) -> PyResult<usize> {
                each!(&self.0, cell => cell.run(py, |engine| engine.n_inputs()))
            }

            #[getter]
            fn memory_per_step(&self, py: Python<'_>) -> PyResult<usize> {
                each!(&self.0, cell => cell.run(py, |engine| engine.memory_per_step()))
            }

            #[getter]
            fn memory_bytes(&self, py: Python<'_>) -> PyResult<usize> {
                each!(&self.0, cell => cell.run(py, |engine| engine.memory_bytes()))
            }

            fn state_equal(&self, py: Python<'_>, other: &Self) -> PyResult<bool> {
                use $crate::cell::Wide::{F32, F64};
                match (&self.0, &other.0) {
                    (F32(one), F32(other)) => $crate::cell::same(py, one, other, |a, b| a.state_equal(b)),
                    (F64(one), F64(other)) => $crate::cell::same(py, one, other, |a, b| a.state_equal(b)),
                    _ => Ok(false),
                }
            }

            fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyBytes>> {
                let bytes = each!(&self.0, cell => cell.run(py, |engine| engine.to_bytes()))?;
                Ok(pyo3::types::PyBytes::new(py, &bytes))
            }

            fn restore(&self, py: Python<'_>, state: &[u8]) -> PyResult<()> {
                each!(&self.0, cell => cell.attempt(py, |engine| engine.restore(state)))
            }
        }
    };
}

/// A class that trains on sequences.
macro_rules! sequence_class {
    ($(#[$doc:meta])* $Class:ident, $Engine:ident, $Factor:ty, { $($items:tt)* }) => {
        $crate::class::class!($(#[$doc])* $Class, $Engine, {
            $($items)*

            #[pyo3(signature = (x, target))]
            fn step<'py>(
                &self,
                py: Python<'py>,
                x: &Bound<'py, PyAny>,
                target: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
                each!(&self.0, cell => $crate::sequence::step(py, cell, x, target))
            }

            #[pyo3(signature = (inputs, targets, mask, reset, return_outputs))]
            fn train_sequence<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: &Bound<'py, PyAny>,
                mask: Option<&Bound<'py, PyAny>>,
                reset: bool,
                return_outputs: bool,
            ) -> PyResult<$crate::sequence::Trained<'py>> {
                each!(&self.0, cell =>
                    $crate::sequence::train(py, cell, inputs, targets, mask, reset, return_outputs))
            }

            fn predict_sequence<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                reset: bool,
                return_spikes: bool,
            ) -> PyResult<$crate::sequence::Predicted<'py>> {
                each!(&self.0, cell => $crate::sequence::predict(py, cell, inputs, reset, return_spikes))
            }

            #[pyo3(signature = (inputs, targets, mask))]
            fn gradients<'py>(
                &self,
                py: Python<'py>,
                inputs: &Bound<'py, PyAny>,
                targets: &Bound<'py, PyAny>,
                mask: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
                each!(&self.0, cell => $crate::sequence::gradients(py, cell, inputs, targets, mask))
            }

            fn calibrate(&self, py: Python<'_>, inputs: &Bound<'_, PyAny>, rate: f64) -> PyResult<$Factor> {
                each!(&self.0, cell => $crate::sequence::calibrate(py, cell, inputs, rate))
            }

            fn update(&self, py: Python<'_>) -> PyResult<()> {
                each!(&self.0, cell => cell.attempt(py, |engine| engine.update()))
            }

            #[getter]
            fn spikes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |engine| engine.spikes()))
            }

            #[getter]
            fn output<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |engine| engine.output()))
            }
        });
    };
}

pub(crate) use {class, sequence_class};
