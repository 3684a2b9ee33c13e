//! One measurement as a line of JSON.

use std::fmt::Write;

pub struct Line(String);

impl Line {
    /// A line of this kind of measurement.
    pub fn new(kind: &str) -> Self {
        Self(format!("{{\"kind\": \"{kind}\""))
    }

    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        write!(self.0, ", \"{name}\": {value:.5}").expect("a string takes everything");
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
