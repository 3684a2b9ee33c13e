//! What a step costs beside what it has to cost: the numbers of `make bench` that need no Python, one line of JSON each,
//! on whatever core the caller pinned it to. `table.py` runs it and prints them as a table.

mod adaptive;
mod count;
mod horizon;
mod lengths;
mod limits;
mod line;
mod membranes;
mod rates;
mod rows;
mod sizes;
mod timing;
mod work;

use std::path::Path;

const USAGE: &str = "engine PART...
  limits                the machine: bandwidths, flop rate
  sizes N STEPS         the first N sizes of the table, sequences of so many steps
  rules N_INPUTS N SEC  steps that do not overshoot beside plain descent, at that size, with updates at every step
  rates STEPS           2 % against 0.2 % of inputs and neurons firing
  adaptive N STEPS      N sizes: neurons whose thresholds move beside others
  membranes N STEPS     N sizes: a tau_mem for each neuron, and a current, in factors and in the textbook form
  horizon N STEPS       N sizes: credit through recurrent spikes beside e-prop, one stream and 32
  lengths T...          one long sequence of each length: time and resident set
  work N STEPS DIR      writes what the first N sizes are given to files, float32
   count WHAT REPEATS    CALL or CALL_NETWORK, as often, for a tool that counts instructions. CALL: infer, sequence, every or every8 (an update
                         at every eighth step); NETWORK: limited, auto, momentum, adam, alif, alif_limited, alif_auto, taus, current, delay, horizon50
                         or horizon";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (part, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(part, rest)| (part, rest));
    let number = |at: usize| -> usize {
        let given = rest.get(at).and_then(|number| number.parse().ok());
        given.unwrap_or_else(|| fail())
    };
    match part {
        "limits" => limits::report(),
        "sizes" => sizes::report(number(0), number(1)),
        "rules" => sizes::report_rules(number(0), number(1), number(2) as f64),
        "adaptive" => adaptive::report(number(0), number(1)),
        "membranes" => membranes::report(number(0), number(1)),
        "rates" => rates::report(number(0)),
        "horizon" => horizon::report(number(0), number(1)),
        "lengths" => (0..rest.len()).for_each(|at| lengths::report(number(at))),
        "work" => work::write(
            number(0),
            number(1),
            Path::new(rest.get(2).unwrap_or_else(|| fail())),
        ),
        "count" => count::run(&rest[0], number(1)),
        _ => fail(),
    }
}

fn fail() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(2)
}
