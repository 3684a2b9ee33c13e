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

/// A class of recurrent networks: weights and state, and what `$wrap` with its arguments `$head` adds.
macro_rules! recurrent_class {
    ($wrap:ident, ($($head:tt)*), { $($items:tt)* }) => {
        $wrap!($($head)*, {
            $($items)*

            #[getter]
            fn engine(&self, py: Python<'_>) -> PyResult<&'static str> {
                each!(&self.0, cell => cell.run(py, |t| t.engine().as_str()))
            }

            #[getter(W_in)]
            fn w_in<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.w_in()))
            }

            #[setter(W_in)]
            fn set_w_in(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                each!(&self.0, cell => $crate::arrays::assign(py, cell, "W_in", value, |t| t.w_in(), |t, w| t.set_w_in(w)))
            }

            #[getter(W_rec)]
            fn w_rec<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.w_rec()))
            }

            #[setter(W_rec)]
            fn set_w_rec(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                each!(&self.0, cell => $crate::arrays::assign(py, cell, "W_rec", value, |t| t.w_rec(), |t, w| t.set_w_rec(w)))
            }

            #[getter(W_out)]
            fn w_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.w_out()))
            }

            #[setter(W_out)]
            fn set_w_out(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                each!(&self.0, cell => $crate::arrays::assign(py, cell, "W_out", value, |t| t.w_out(), |t, w| t.set_w_out(w)))
            }

            #[getter(B)]
            fn b_feedback<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.b_feedback()))
            }

            #[setter(B)]
            fn set_b_feedback(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                each!(&self.0, cell => $crate::arrays::assign(py, cell, "B", value, |t| t.b_feedback(), |t, w| t.set_b_feedback(w)))
            }

            #[getter]
            fn b<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.b()))
            }

            #[setter]
            fn set_b(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                each!(&self.0, cell => $crate::arrays::assign_vector(py, cell, "b", value, |t| t.b(), |t, b| t.set_b(b)))
            }

            #[getter]
            fn v<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.v()))
            }

            #[getter]
            fn z_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.z_bar()))
            }

            #[getter]
            fn e_bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                each!(&self.0, cell => $crate::arrays::read(py, cell, |t| t.e_bar()))
            }
        });
    };
}

pub(crate) use {class, recurrent_class, sequence_class};
