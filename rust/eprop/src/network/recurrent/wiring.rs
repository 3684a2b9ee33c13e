//! A recurrent network as its streams are made, read and assigned.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Present, Recurrent, group, of_synapses};
use crate::network::circle::Circle;
use crate::network::cost::Cost;
use crate::network::gradients::{Gradients, transposed};
use crate::network::schedule::Since;
use crate::network::wiring::{Groups, Sum, Wiring};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::short_row;
use crate::numbers::memory;
use crate::numbers::parameter::Parameter;
use crate::numbers::room::Room;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Loss};
use crate::parts::check;
use crate::parts::delay::Delay;
use crate::parts::init::{
    Balance, Gaussian, fan_in, layer_weights, standard_deviation_of_readouts, standard_deviations,
    weights_of_wires, with_sign,
};
use crate::parts::input::Input;
use crate::parts::neuron::Neuron;
use crate::parts::optimizer::{Population, Steps};
use crate::parts::sources::SourceList;
use crate::synapses::What;
use crate::{Error, Float};

impl<F: Float> Wiring for Recurrent<F> {
    type F = F;
    type Config = Config;
    type Plan = Plan;
    type Gradients = Gradients<F>;
    type Present = Present<F>;
    type Factor = f64;

    fn new(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        F::new_recurrent(room, plan, config, first)
    }

    fn draw(&mut self, config: &Config, pace: &mut Pace<'_>) -> Result<(), Error> {
        let mut gaussian = Gaussian::new(config.seed);
        let n = self.layer.neuron.len();
        let stride = padded::<F>(n);
        let n_inputs = self.n_inputs;
        let synapses = &mut self.layer.synapses;
        match &self.wires {
            Some(wires) if !wires.knows_others() => {
                let expected = "a count for each source in part.before and part.after, where synapses are listed";
                return Err(Error::value("part", expected, "none"));
            }
            Some(wires) => {
                let sizes = (n_inputs, self.senders);
                let signs = self.signs.as_deref();
                let put = |source, at, j, w| {
                    let sign = signs.map_or(0, |signs| signs[source]);
                    *synapses.first_weight(source, (at, j), stride) = with_sign(w, sign);
                };
                weights_of_wires(&mut gaussian, wires, sizes, &config.layer(), pace, put)?;
            }
            None => {
                let rows = synapses.first_rows();
                let balance = Balance::of(&gaussian, n_inputs, n, pace)?;
                layer_weights(
                    &mut gaussian,
                    rows,
                    stride,
                    n_inputs,
                    n,
                    &config.layer(),
                    balance.as_ref(),
                    pace,
                )?;
                let signs = self.signs.iter().flat_map(|signs| signs.iter());
                for (row, &sign) in rows.chunks_exact_mut(stride).zip(signs) {
                    row.iter_mut().for_each(|w| *w = with_sign(*w, sign));
                }
            }
        }
        let (neurons, all) = (self.neurons.clone(), self.senders);
        self.head
            .draw(&mut gaussian, neurons, all, config.readout_gain);
        Ok(())
    }

    fn sizes(plan: &Plan) -> String {
        plan.sizes.to_string()
    }

    fn n_groups(_: &Plan) -> usize {
        3
    }

    fn n_neurons(plan: &Plan) -> usize {
        plan.sizes.n
    }

    fn cost(plan: &Plan, config: &Config) -> Cost {
        Cost::of_recurrent::<F>(plan, config)
    }

    fn slower(plan: &Plan, config: &Config) -> Option<Plan> {
        plan.slower::<F>(config)
    }

    fn populations(plan: &Plan, config: &Config) -> Vec<Population> {
        let Sizes {
            n_inputs,
            n,
            n_outputs,
        } = plan.sizes;
        let fan_in = fan_in(n_inputs, plan.senders(), plan.wires.as_deref());
        let [of_input, of_neuron] = standard_deviations(fan_in, &config.layer());
        let of_readout = standard_deviation_of_readouts(plan.senders(), config.readout_gain);
        let groups = [
            (n, fan_in[0] as usize, of_input),
            (n, fan_in[1] as usize, of_neuron),
            (n_outputs, n, of_readout),
        ];
        let groups = groups.map(|(neurons, sources, sigma)| Population {
            neurons,
            sources,
            sigma,
        });
        groups.into()
    }

    fn plan_bytes(plan: &Plan) -> usize {
        let of_wires = plan.wires.as_ref().map_or(0, |wires| wires.bytes())
            + plan.columns.as_ref().map_or(0, |columns| columns.bytes());
        let around = 2 * size_of::<usize>();
        let of_signs =
            |signs: &Arc<[i8]>| (around + signs.len()).next_multiple_of(align_of::<usize>());
        let of_clipped = plan.clipped.as_ref().filter(|_| plan.rewires);
        let signs = plan.signs.iter().chain(of_clipped);
        of_wires + signs.map(of_signs).sum::<usize>()
    }

    fn is_part(plan: &Plan) -> bool {
        plan.part.is_some()
    }

    fn is_at_once(plan: &Plan) -> bool {
        plan.at_once
    }

    fn sums(plan: &Plan) -> Vec<(usize, usize)> {
        // The regulariser's part lies behind that of the loss.
        let matrices = 1 + usize::from(plan.apart);
        match plan.listed() {
            Some(wires) => vec![(matrices, wires.len())],
            None => vec![(matrices * plan.sizes.sources(), plan.stride::<F>())],
        }
    }

    fn work(plan: &Plan) -> usize {
        plan.work()
    }

    fn spread(plan: &Plan) -> usize {
        plan.spread()
    }

    fn for_gradients(plan: &Plan, config: &Config) -> Result<Plan, Error> {
        plan.for_gradients::<F>(config.horizon)
    }

    fn keeps_apart(plan: &Plan) -> bool {
        plan.apart
    }

    fn grows(plan: &Plan) -> bool {
        plan.grows()
    }

    fn credits(plan: &Plan) -> bool {
        plan.credits() > 0
    }

    fn circle(&mut self) -> &mut dyn Circle<F> {
        F::recurrent(self)
    }

    fn n_inputs(&self) -> usize {
        self.n_inputs
    }
    fn n_outputs(&self) -> usize {
        self.head.readout.y().len()
    }
    fn loss(&self) -> Loss {
        self.loss
    }
    fn times(&self) -> (f64, f64) {
        self.times
    }

    fn present(&self, config: &Config) -> Result<Present<F>, Error> {
        let (n, n_outputs) = (self.layer.neuron.len(), self.n_outputs());
        let (neuron, delay, sources, others, current, drive, y) = Room::build(
            || "an evaluation".into(),
            |room| {
                Ok((
                    Neuron::of_evaluation(room, n, &config.layer())?,
                    Delay::new(room, n, config.delay)?,
                    SourceList::new(room, self.n_inputs, self.senders)?,
                    self.layer
                        .others
                        .as_ref()
                        .map(|of| of.silent(room))
                        .transpose()?,
                    room.zeros(1, padded::<F>(n))?,
                    room.zeros(1, short_row(n_outputs))?,
                    room.zeros(1, n_outputs)?,
                ))
            },
        )?;
        Ok(Present {
            neuron,
            delay,
            sources,
            others,
            synapses: self.layer.synapses.present()?,
            w_out: self.head.readout.present()?,
            current,
            drive,
            y,
        })
    }

    fn evaluate(&self, present: &mut Present<F>, x: Input<'_, F>) {
        F::evaluate_recurrent(self, present, x);
    }

    fn output_of(present: &Present<F>) -> &[F] {
        &present.y
    }

    fn output(&self) -> &[F] {
        self.head.readout.y()
    }
    fn spikes(&self) -> &[F] {
        self.layer.neuron.z()
    }
    fn all_fired(&self, see: &mut dyn FnMut(usize, &[u32])) {
        see(self.layer.neuron.len(), self.layer.neuron.fired());
    }

    fn since(&self) -> Since {
        self.since
    }

    fn parameter(&mut self, _: usize) -> Option<&mut Parameter<F>> {
        self.layer.synapses.parameter()
    }

    fn changed(&mut self, _: usize, finite: bool) {
        self.layer.synapses.changed(finite);
    }

    fn groups_of(&self, _: usize) -> Groups {
        Groups {
            cut: self.cut(),
            before: group::IN,
            from: group::REC,
        }
    }

    fn gather_heads(streams: &mut [Self]) {
        streams.iter_mut().for_each(|stream| stream.head.keep_l());
        if let Some((first, rest)) = streams.split_first_mut() {
            let of_rest = rest.iter_mut().map(|stream| &mut stream.head);
            first.head.take_in(of_rest);
        }
    }

    fn updated(&mut self) {
        self.since = Since::default();
        self.layer.updated();
    }

    fn rewires(plan: &Plan) -> bool {
        plan.rewires
    }

    fn take_wires(plan: &mut Plan, first: &Self) {
        if plan.rewires {
            plan.wires.clone_from(&first.wires);
        }
    }

    fn is_ready(&self) -> bool {
        self.layer.synapses.is_ready()
    }

    fn until_full(&self) -> usize {
        self.layer.synapses.until_full()
    }

    fn credit(streams: &mut [Self], ending: bool, pace: &mut Pace<'_>) -> Result<(), Error> {
        F::credit(streams, ending, pace)
    }

    fn release(&mut self) {
        if let Some(w) = self.layer.synapses.parameter() {
            w.rows = Default::default();
        }
        self.head.release();
    }

    fn share_weights(&mut self, first: &Self) {
        self.layer.synapses.share_weights(&first.layer.synapses);
        if let Some(rewiring) = &first.rewiring {
            self.take_wires_of(rewiring.wires());
        }
        self.head.share_weights(&first.head);
    }

    fn rehold(&mut self) {
        self.layer.synapses.hold(self.head.backward());
    }

    fn swap_scratch(&mut self, other: &mut Self) {
        self.layer.synapses.swap_scratch(&mut other.layer.synapses);
    }

    fn take_weights(&mut self, from: &Self, pace: &mut Pace<'_>) -> Result<(), Error> {
        let (synapses, n) = (&mut self.layer.synapses, self.layer.neuron.len());
        let of_other = &from.layer.synapses;
        // What can be shared, this stream reads already.
        if of_other.shared().is_none() || of_other.is_listed() != synapses.is_listed() {
            let (stride, n_sources) = (padded::<F>(n), from.n_inputs + from.senders);
            let wires = self.wires.as_deref();
            synapses.take_weights(&**of_other, wires, (stride, n_sources), pace)?;
        }
        self.head.take_weights(&from.head, pace)
    }

    fn gradients(
        streams: &mut [Self],
        sums: &[Aligned<F>],
        Sum {
            loss,
            n_targets,
            n_streams,
        }: Sum,
        pace: &mut Pace<'_>,
    ) -> Result<Gradients<F>, Error> {
        let (first, rest) = streams.split_at_mut(1);
        let first = &mut first[0];
        let (n, n_outputs) = (first.layer.neuron.len(), first.n_outputs());
        let stride = padded::<F>(n);
        let n_inputs = first.n_inputs;
        let (w_in, w_rec) = match first.listed() {
            Some(wires) => {
                let (of_inputs, of_neurons) = sums[0][..wires.len()].split_at(wires.counts()[0]);
                (
                    in_a_row("the gradient of W_in", of_inputs)?,
                    in_a_row("the gradient of W_rec", of_neurons)?,
                )
            }
            None => {
                let of_inputs = sums[0].chunks_exact(stride).take(n_inputs);
                let of_neurons = sums[0].chunks_exact(stride).skip(n_inputs);
                (
                    transposed("the gradient of W_in", of_inputs, (n, n_inputs), pace)?,
                    transposed("the gradient of W_rec", of_neurons, (n, n), pace)?,
                )
            }
        };
        for other in rest {
            first.head.readout.take_in(&mut other.head.readout);
        }
        let (w_out, b) = first.head.readout.gradient();
        let width = w_out.len() / n;
        let w_out = transposed(
            "the gradient of W_out",
            w_out.chunks_exact(width),
            (n_outputs, n),
            pace,
        )?;
        Ok(Gradients {
            w_in,
            w_rec,
            w_out,
            b: b.to_vec().into(),
            loss,
            n_targets,
            n_streams,
        })
    }

    fn lengths_of(
        &self,
        gradients: &Gradients<F>,
        to: &mut [f64],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        gradients.lengths_of_neurons(self.listed(), to, pace)
    }

    fn check_gradients(&self, gradients: &Gradients<F>) -> Result<(), Error> {
        let (n, n_outputs) = (self.layer.neuron.len(), self.n_outputs());
        let (w_in, w_rec) = (gradients.w_in.view(), gradients.w_rec.view());
        match self.listed() {
            Some(wires) => {
                let [of_inputs, of_neurons] = wires.counts();
                check::matrix("gradients.W_in", w_in, 1, of_inputs)?;
                check::matrix("gradients.W_rec", w_rec, 1, of_neurons)?;
            }
            None => {
                check::matrix("gradients.W_in", w_in, n, self.n_inputs)?;
                check::matrix("gradients.W_rec", w_rec, n, n)?;
                check::no_self_connections("gradients.W_rec", w_rec)?;
                self.check_wires("gradients.W_in", 0, w_in)?;
                self.check_wires("gradients.W_rec", self.n_inputs, w_rec)?;
            }
        }
        check::matrix("gradients.W_out", gradients.w_out.view(), n_outputs, n)?;
        check::vector("gradients.b", gradients.b.view(), n_outputs)?;
        match gradients.b.iter().find(|&&b| b != F::ZERO) {
            // It would take part in the length of the gradient.
            Some(b) if !self.head.readout.has_bias() => {
                Err(Error::value("gradients.b", "0 without readout_bias", b))
            }
            _ => Ok(()),
        }
    }

    fn take(
        &mut self,
        gradients: &Gradients<F>,
        steps: Steps<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let of_synapses: Kinds<_> = of_synapses(steps);
        let (w_in, w_rec) = (gradients.w_in.view(), gradients.w_rec.view());
        let from = self.listed().map(|wires| wires.counts()[0]);
        let synapses = &mut self.layer.synapses;
        match from {
            Some(from) => {
                let of = |w: ArrayView2<'_, F>| w.iter().copied().collect::<Vec<F>>();
                synapses.take_listed(0, &of(w_in), of_synapses.inputs, pace)?;
                synapses.take_listed(from, &of(w_rec), of_synapses.neurons, pace)?;
            }
            None => {
                synapses.take(0, w_in, of_synapses.inputs, pace)?;
                synapses.take(self.n_inputs, w_rec, of_synapses.neurons, pace)?;
            }
        }
        let b: Vec<F> = gradients.b.to_vec();
        let of_readouts = (steps.of(group::OUT), steps.is_fixed(group::OUT));
        let w_out = |j, k| gradients.w_out[(k, j)];
        self.head.take(of_readouts, w_out, &b, pace)
    }

    fn group(&self, at: usize) -> Option<(usize, usize)> {
        let neuron = &self.layer.neuron;
        (at == 0).then(|| (neuron.len(), neuron.fired().len()))
    }

    fn reach(&self, rate: f64) -> Option<f64> {
        (self.loss == Loss::Mse).then(|| self.head.readout.reach(rate))
    }

    /// Where not all synapses exist, one row: those that do.
    fn input_weights(&self, _: usize, pace: &mut Pace<'_>) -> Result<Array2<F>, Error> {
        if let Some(wires) = &self.wires {
            let (sources, what) = (0..self.n_inputs, "the weights of synapses");
            let mut w = memory::vec_for(what, wires.count(sources.clone()))?;
            let synapses = &self.layer.synapses;
            synapses.read_listed(What::Weight, sources, wires, &mut w, pace)?;
            return Ok(Array1::from_vec(w).insert_axis(Axis(0)));
        }
        let mut w = memory::matrix("W_in", self.layer.neuron.len(), self.n_inputs)?;
        self.read_inward(What::Weight, 0..self.n_inputs, w.view_mut(), pace)?;
        Ok(w)
    }

    fn assign_inputs(
        &mut self,
        _: usize,
        w: ArrayView2<'_, F>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let Some(wires) = &self.wires else {
            return self.layer.synapses.assign(0, w, pace);
        };
        let mut listed = w.iter().copied();
        let synapses = &mut self.layer.synapses;
        if synapses.is_listed() {
            return synapses.assign_weights(0, &mut listed, pace);
        }
        let mut dense = memory::matrix("W_in", self.layer.neuron.len(), self.n_inputs)?;
        for (source, mut to) in dense.columns_mut().into_iter().enumerate() {
            let targets = wires.targets(source).iter();
            targets
                .zip(&mut listed)
                .for_each(|(&j, w)| to[j as usize] = w);
        }
        self.layer.synapses.assign(0, dense.view(), pace)
    }

    fn factor(of_groups: Vec<f64>) -> f64 {
        of_groups[0]
    }
}

/// Numbers of synapses that are listed, as a matrix of one row.
fn in_a_row<F: Float>(what: &str, numbers: &[F]) -> Result<Array2<F>, Error> {
    let mut to = memory::matrix(what, 1, numbers.len())?;
    to.iter_mut().zip(numbers).for_each(|(to, &x)| *to = x);
    Ok(to)
}
