//! The names of a part's buffers in a file: the fields on the way to it, with dots between them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What names are made of on a walk, in its order.
pub(crate) struct Names {
    path: String,
    /// How long the path was before each part that the walk is in.
    before: Vec<usize>,
    /// How often a name came: a buffer that is used in several ranges is several arrays.
    came: BTreeMap<String, usize>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            path: "state.".into(),
            before: Vec::new(),
            came: BTreeMap::new(),
        }
    }

    pub(crate) fn enter(&mut self, part: &str, at: Option<usize>) {
        self.before.push(self.path.len());
        if !part.is_empty() {
            self.path.push_str(part);
            self.path.push('.');
        }
        if let Some(at) = at {
            self.path.push_str(&format!("{at}."));
        }
    }

    pub(crate) fn leave(&mut self) {
        if let Some(len) = self.before.pop() {
            self.path.truncate(len);
        }
    }

    /// The name of the next buffer.
    pub(crate) fn next(&mut self, field: &str) -> String {
        let name = format!("{}{field}", self.path);
        match self.came.get_mut(&name) {
            None => {
                self.came.insert(name.clone(), 1);
                name
            }
            Some(came) => {
                *came += 1;
                format!("{name}.{}", *came - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_is_the_way_to_the_buffer_and_no_name_comes_twice() {
        let mut names = Names::new();
        assert_eq!(names.next("count"), "state.count");
        names.enter("stream", Some(2));
        names.enter("", None);
        names.enter("neuron", None);
        assert_eq!(names.next("v"), "state.stream.2.neuron.v");
        assert_eq!(names.next("v"), "state.stream.2.neuron.v.1");
        names.leave();
        assert_eq!(names.next("v"), "state.stream.2.v");
        names.leave();
        names.leave();
        assert_eq!(names.next("count"), "state.count.1");
    }
}
