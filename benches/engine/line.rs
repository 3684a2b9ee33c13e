//! One measurement as a line of JSON.

use std::fmt::Write;

pub struct Line(String);

impl Line {
    /// A line of this kind of measurement.
    pub fn new(kind: &str) -> Self {
        Self(format!("{{\"kind\": \"{kind}\""))
    }

    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        // JSON has no word for what is no number.
        let known = value.is_finite().then(|| value.to_string());
        let value = known.as_deref().unwrap_or("null");
        write!(self.0, ", \"{name}\": {value}").expect("a string takes everything");
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        write!(self.0, ", \"{name}\": \"{value}\"").expect("a string takes everything");
        self
    }

    pub fn print(&self) {
        println!("{}}}", self.0);
    }
}
