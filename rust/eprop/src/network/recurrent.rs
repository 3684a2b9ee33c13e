//! The recurrent network: one population with one head, and the circle of a step.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::circle::Circle;
use super::cost::Cost;
use super::gradients::{Gradients, transposed};
use super::head::Head;
use super::layer::Layer;
use super::rewiring::{Rewiring, Round};
use super::schedule::Since;
use super::wiring::{Groups, Settings, Sum, Wiring};
use crate::numbers::aligned::{Aligned, padded};
use crate::numbers::interrupt::Pace;
use crate::numbers::kinds::Kinds;
use crate::numbers::lazy::short_row;
use crate::numbers::memory;
use crate::numbers::parameter::Parameter;
use crate::numbers::peers::Peers;
use crate::numbers::room::Room;
use crate::numbers::step::{Neurons, Step};
use crate::numbers::walk::parts;
use crate::numbers::wires::Wires;
use crate::options::filters::decay;
use crate::options::plan::{Plan, Sizes};
use crate::options::{Config, Loss, Optimizer as Rule, Reduction, UpdateEvery};
use crate::parts::check;
use crate::parts::delay::Delay;
use crate::parts::init::{
    Balance, Gaussian, fan_in, layer_weights, standard_deviation_of_readouts, standard_deviations,
    weights_of_wires, with_sign,
};
use crate::parts::input::{Input, Inputs};
use crate::parts::lesson::Lesson;
use crate::parts::neuron::Neuron;
use crate::parts::optimizer::{Measure, Optimizer, Population, Steps, Times};
use crate::parts::others::Others;
use crate::parts::sources::SourceList;
use crate::synapses::{self, Form, What, add_squares_of_neurons};
use crate::{Error, Float};

/// The groups of weights that take steps of their own, in the order of [`Config::rates_of_groups`].
pub(crate) mod group {
    /// `W_in`.
    pub(crate) const IN: usize = 0;
    /// `W_rec`.
    pub(crate) const REC: usize = 1;
    /// `W_out`, `b`.
    pub(crate) const OUT: usize = 2;
}

/// One recurrent layer of N spiking neurons with O leaky readouts. Example: [`EpropTrainer`](crate::EpropTrainer).
#[derive(Debug)]
pub struct Recurrent<F> {
    pub(crate) layer: Layer<F>,
    pub(crate) head: Head<F>,
    since: Since,
    n_inputs: usize,
    loss: Loss,
    times: (f64, f64),
    /// The synapses that exist, and the signs of sources, where there are such.
    wires: Option<Arc<Wires>>,
    signs: Option<Arc<[i8]>>,
    /// Where synapses move, of the first stream.
    rewiring: Option<Rewiring<F>>,
    /// The numbers of its neurons in the whole network, and how many neurons are sources.
    neurons: Range<usize>,
    senders: usize,
}

/// The state of a sequence on the weights of the moment.
#[derive(Debug)]
pub struct Present<F> {
    neuron: Neuron<F>,
    delay: Delay<F>,
    sources: SourceList<F>,
    others: Option<Others<F>>,
    synapses: synapses::Present<F>,
    w_out: Aligned<F>,
    current: Aligned<F>,
    drive: Aligned<F>,
    y: Aligned<F>,
}

parts!(Recurrent {
    Weight: [rewiring] then Self::rewired,
    State: [layer, head],
    Mark: [since],
});

impl<F: Float> Recurrent<F> {
    /// Silent, with weights of 0 or those of the stream `first`.
    pub(super) fn silent(
        room: &mut Room,
        plan: &Plan,
        config: &Config,
        first: Option<&Self>,
    ) -> Result<Self, Error> {
        Ok(Self {
            layer: Layer::new(room, plan, config, first.map(|first| &first.layer))?,
            head: Head::new(room, plan, config, first.map(|first| &first.head))?,
            since: Since::default(),
            n_inputs: plan.sizes.n_inputs,
            loss: config.loss,
            times: (config.dt, config.longest_tau_mem()),
            wires: plan.wires.clone(),
            signs: plan.signs.clone(),
            rewiring: match first {
                None => Rewiring::new(room, plan, config)?,
                Some(_) => None,
            },
            neurons: match &plan.part {
                Some(part) => part.neurons(plan.sizes.n),
                None => 0..plan.sizes.n,
            },
            senders: plan.senders(),
        })
    }

    /// A step of an evaluation.
    pub(super) fn step_of(&self, present: &mut Present<F>, x: Input<'_, F>) {
        let Present {
            neuron,
            delay,
            sources,
            others,
            ..
        } = present;
        let arrived = match &*others {
            Some(others) => others.fired(),
            None => delay.pass(neuron),
        };
        sources.take(x, arrived);
        let (scratch, current) = (&mut present.synapses, &mut present.current);
        self.layer.synapses.send(&sources.get(), scratch, current);
        neuron.step(current);
        let readout = &self.head.readout;
        let (fired, w_out) = (neuron.fired(), &present.w_out);
        let (drive, y) = (&mut present.drive, &mut present.y);
        match others {
            None => readout.step_of(fired, w_out, drive, y),
            Some(others) => readout.part_step_of(fired, w_out, drive, y, |fired, drive| {
                others.exchange(fired, drive);
            }),
        }
    }

    /// Credits the recurrent spikes of streams side by side.
    pub(super) fn credit_together(
        streams: &mut [Self],
        ending: bool,
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let forms = streams.iter_mut().map(|stream| &mut stream.layer.synapses);
        Form::credit(forms, ending, pace)
    }
}

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
                    Neuron::new(room, n, &config.layer())?,
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
            cut: match self.listed() {
                Some(wires) => wires.counts()[0],
                None => self.n_inputs * padded::<F>(self.layer.neuron.len()),
            },
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
        check::vector("gradients.b", gradients.b.view(), n_outputs)
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
        let of_readouts = (steps.of(group::OUT), steps.rests(group::OUT));
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
        let all = 0..self.n_inputs;
        self.layer
            .synapses
            .read(What::Weight, all, pace, &mut |source, row| {
                let column = w.column_mut(source).into_iter();
                column.zip(row).for_each(|(to, &w)| *to = w);
                Ok(())
            })?;
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

impl<F: Float> Circle<F> for Recurrent<F> {
    /// The order is that of the lines of docs/method.md: `B` is `W_out` as it is before this step's update, so the synapses learn before the readouts do.
    fn learn(
        &mut self,
        x: Input<'_, F>,
        lesson: Lesson<'_, F>,
        mut at_once: Option<&mut Optimizer>,
    ) -> Option<f64> {
        // Where nothing is learned, no weight may move, not even by the rounding of its factors.
        let moves_on = at_once.as_ref().is_some_and(|rule| rule.moves_on());
        let teaches = lesson.target().is_some() || self.layer.is_regularised() || moves_on;
        let learning = teaches || lesson.signal.is_some();
        let learns = |group| match &at_once {
            Some(rule) => learning && !rule.stands_still(group),
            None => learning,
        };
        let learning_of_synapses = Kinds {
            inputs: learns(group::IN),
            neurons: learns(group::REC),
        };
        let of_readouts = teaches && learns(group::OUT);
        let readouts_are_fixed = at_once
            .as_ref()
            .is_some_and(|rule| rule.stands_still(group::OUT));
        self.layer.forward(x, learning_of_synapses);
        self.read_out(of_readouts);
        let loss = self.head.judge(lesson);
        let squared_length = match &at_once {
            Some(rule) if rule.is_limited() => self.head.squared_length_of_step(),
            _ => 0.0,
        };
        let reads_signal = self.layer.reads_signal;
        let (err, b, l) = self.head.signal(lesson.signal, reads_signal);
        let steps = at_once.as_deref_mut().map(|rule| {
            let steps = rule.step(1.0, |to| {
                let of_synapses = self.layer.squared_length_of_step(l);
                to[group::IN] = of_synapses.inputs;
                to[group::REC] = of_synapses.neurons;
                to[group::OUT] = squared_length;
                self.layer.add_up(to);
                Measure {
                    loss: loss.unwrap_or(0.0),
                    steps: 1.0,
                    has_target: loss.is_some(),
                }
            });
            (of_synapses(steps), steps.of(group::OUT))
        });
        self.layer.learn(err, b, l, steps.map(|steps| steps.0));
        if lesson.signal.is_some() && !reads_signal {
            self.layer.learn_from(l);
        }
        self.head
            .learn(steps.map(|steps| steps.1), readouts_are_fixed);
        match at_once {
            Some(rule) => rule.updated(),
            None => self.since.step(loss),
        }
        loss
    }

    fn predict(&mut self, x: Input<'_, F>) {
        self.layer.forward(x, Kinds::same(false));
        self.read_out(false);
        self.layer.move_on();
        self.head.move_on();
    }

    fn fire(&mut self, x: Input<'_, F>) {
        self.layer.forward(x, Kinds::same(false));
    }

    fn look_ahead(&mut self, inputs: Inputs<'_, F>, t: usize) {
        self.layer.look_ahead(inputs, t);
    }

    fn ready(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.synapses.ready(pace)
    }

    fn settle(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.settle(self.since.steps, pace)
    }

    fn squared_lengths(&mut self, to: &mut [f64], pace: &mut Pace<'_>) -> Result<(), Error> {
        let of_synapses = self.layer.synapses.length(pace)?;
        to[group::IN] = of_synapses.inputs;
        to[group::REC] = of_synapses.neurons;
        self.head_squared_length(to);
        self.layer.add_up(to);
        Ok(())
    }

    fn lengths_of_neurons(
        &mut self,
        sums: &[Vec<Aligned<F>>],
        to: &mut [f64],
        pace: &mut Pace<'_>,
    ) -> Result<(), Error> {
        let n = self.layer.neuron.len();
        let (inputs, to) = to.split_at_mut(n);
        let (neurons, readouts) = to.split_at_mut(n);
        self.head.readout.squared_lengths_of_each(readouts);
        let to = Kinds { inputs, neurons };
        if sums.is_empty() {
            return self.layer.synapses.lengths_of_neurons(to, pace);
        }
        to.inputs.fill(0.0);
        to.neurons.fill(0.0);
        let (len, place) = match self.listed() {
            Some(wires) => {
                let of_synapses = Neurons::Listed(wires.all_targets());
                (wires.len(), (wires.counts()[0], of_synapses))
            }
            None => {
                let stride = padded::<F>(n);
                let place = (self.n_inputs * stride, Neurons::Rows(stride));
                ((self.n_inputs + n) * stride, place)
            }
        };
        // The regulariser's part lies behind that of the loss.
        let of_loss = sums.iter().map(|sums| sums[0][..len].into());
        let of_loss: Vec<_> = of_loss.collect();
        add_squares_of_neurons(&of_loss, place, to, pace)
    }

    fn whole_length(&mut self, pace: &mut Pace<'_>) -> Result<f64, Error> {
        let of_synapses = self.layer.whole_length(self.since.steps, pace)?;
        let mut whole = [of_synapses + self.head_whole_length()];
        self.layer.add_up(&mut whole);
        Ok(whole[0])
    }

    /// The synapses first: their gradient goes through `B` as it was.
    fn update(&mut self, steps: Steps<'_>) {
        self.layer.update(self.since.steps, of_synapses(steps));
        self.update_head(steps);
    }

    fn collect(&mut self, sums: &mut [Aligned<F>]) {
        self.layer.collect(self.since.steps, &mut sums[0]);
    }

    fn collect_until(&mut self, sums: &mut [Aligned<F>], pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer
            .collect_until(self.since.steps, &mut sums[0], pace)
    }

    fn take_back(&mut self, sums: &mut [Aligned<F>]) {
        self.layer.synapses.take_back(&mut sums[0]);
    }

    fn head_squared_length(&mut self, to: &mut [f64]) {
        to[group::OUT] = self.head_whole_length();
    }

    fn head_whole_length(&mut self) -> f64 {
        self.head.readout.squared_length()
    }

    fn update_head(&mut self, steps: Steps<'_>) {
        let fixed = steps.rests(group::OUT);
        self.head.update(steps.of(group::OUT), fixed);
    }

    fn prepare_rewiring(&mut self) -> Result<(), Error> {
        match &mut self.rewiring {
            Some(rewiring) => rewiring.prepare(&mut self.layer.synapses),
            None => Ok(()),
        }
    }

    fn round(&mut self, optimizer: &Optimizer) -> Option<Round<F>> {
        let rewiring = self.rewiring.as_mut()?;
        rewiring.round(&mut self.layer.synapses, optimizer)
    }

    fn rewire(&mut self, round: &mut Round<F>) {
        self.layer.synapses.rewire(&mut round.moved());
        self.wires = Some(Arc::clone(&round.wires));
    }

    fn reserve(&mut self, steps: usize, learning: bool) -> Result<(), Error> {
        self.layer.synapses.reserve(steps, learning)
    }

    fn flush(&mut self, pace: &mut Pace<'_>) -> Result<(), Error> {
        self.layer.synapses.flush(pace)?;
        self.head.keep_l();
        Ok(())
    }

    fn flaw(&mut self) -> Option<Cow<'static, str>> {
        if !self.layer.synapses.finite() {
            return Some("W_in, W_rec".into());
        }
        self.head.readout.flaw().map(Cow::from)
    }

    fn catch_up(&mut self) {
        self.layer.synapses.catch_up();
    }

    fn reset(&mut self) {
        self.layer.reset();
        self.head.reset();
        self.since = Since::default();
    }
}

/// Numbers of synapses that are listed, as a matrix of one row.
fn in_a_row<F: Float>(what: &str, numbers: &[F]) -> Result<Array2<F>, Error> {
    let mut to = memory::matrix(what, 1, numbers.len())?;
    to.iter_mut().zip(numbers).for_each(|(to, &x)| *to = x);
    Ok(to)
}

impl<F: Float> Recurrent<F> {
    /// Before the rest of it is loaded: has the synapses that were loaded, where these move.
    fn rewired(&mut self, _: usize) -> Result<(), Error> {
        if let Some(rewiring) = &self.rewiring {
            let wires = Arc::clone(rewiring.wires());
            self.take_wires_of(&wires);
        }
        Ok(())
    }

    fn take_wires_of(&mut self, wires: &Arc<Wires>) {
        if !self
            .wires
            .as_ref()
            .is_some_and(|have| Arc::ptr_eq(have, wires))
        {
            self.layer.synapses.take_wires(wires);
            self.wires = Some(Arc::clone(wires));
        }
    }

    /// Line 5 of docs/method.md: what the readouts make of those that have fired, here and elsewhere.
    fn read_out(&mut self, learning: bool) {
        let (layer, readout) = (&mut self.layer, &mut self.head.readout);
        let fired = layer.neuron.fired();
        match &mut layer.others {
            None => readout.step(fired, learning),
            Some(others) => readout.step_of_part(fired, learning, |fired, drive| {
                others.exchange(fired, drive);
            }),
        }
    }

    /// The columns of `W_rec`, or more: the sources that are neurons.
    pub(crate) fn senders(&self) -> Range<usize> {
        self.n_inputs..self.n_inputs + self.senders
    }

    /// Who has the other parts of this network, from now on.
    pub(crate) fn set_peers(&mut self, peers: &Arc<dyn Peers>) {
        if let Some(others) = &mut self.layer.others {
            others.set_peers(Arc::clone(peers));
        }
    }

    /// The synapses, where rows are lists of them.
    pub(crate) fn listed(&self) -> Option<&Wires> {
        let wires = self.wires.as_deref();
        wires.filter(|_| self.layer.synapses.is_listed())
    }

    /// Whether a matrix (N, sources) of the sources from `first` on is 0 where there is no synapse.
    pub(crate) fn check_wires(
        &self,
        argument: &'static str,
        first: usize,
        w: ArrayView2<'_, F>,
    ) -> Result<(), Error> {
        match &self.wires {
            Some(wires) => check::only_where(argument, w, |j, i| wires.exists(j, first + i)),
            None => Ok(()),
        }
    }

    /// Whether weights of the synapses of some sources, in the order of their lists, have the signs of these.
    pub(crate) fn check_listed_signs(
        &self,
        argument: &'static str,
        sources: Range<usize>,
        weights: ArrayView1<'_, F>,
    ) -> Result<(), Error> {
        let (Some(wires), Some(signs)) = (&self.wires, &self.signs) else {
            return Ok(());
        };
        let mut weights = weights.iter();
        for (column, source) in sources.enumerate() {
            for (&j, &w) in wires.targets(source).iter().zip(&mut weights) {
                check::of_sign(argument, w, signs[source], (j as usize, column))?;
            }
        }
        Ok(())
    }

    /// Whether weights (N, sources) of the sources from `first` on have the signs of these.
    pub(crate) fn check_signs(
        &self,
        argument: &'static str,
        first: usize,
        w: ArrayView2<'_, F>,
    ) -> Result<(), Error> {
        match &self.signs {
            Some(signs) => check::of_signs(argument, w, &signs[first..]),
            None => Ok(()),
        }
    }
}

fn of_synapses<F: Float>(steps: Steps<'_>) -> Kinds<Step<'_, F>> {
    Kinds {
        inputs: steps.of(group::IN),
        neurons: steps.of(group::REC),
    }
}

impl Settings for Config {
    fn lr(&self) -> f64 {
        self.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }
    fn lr_of(&self, group: usize) -> f64 {
        self.rates_of_groups()[group].1.unwrap_or(self.lr)
    }
    fn batch_size(&self) -> usize {
        self.batch_size
    }
    fn update_every(&self) -> UpdateEvery {
        self.update_every
    }
    fn optimizer(&self) -> Rule {
        self.optimizer
    }
    fn times(&self) -> Times {
        // The longest is that of the slowest answer.
        let (tau_mem, tau_syn) = (self.longest_tau_mem(), self.tau_syn);
        let filters = [tau_mem, tau_syn, self.tau_out()].map(|tau| decay(self.dt, tau));
        Times {
            answer: self.dt / (self.tau_out() + tau_mem + tau_syn),
            slowest: filters.into_iter().fold(0.0, f64::max),
        }
    }
    fn reduction(&self) -> Reduction {
        self.reduction
    }
    fn clip_norm(&self) -> Option<f64> {
        self.clip_norm
    }
    fn w_max(&self) -> Option<f64> {
        // So that a step is one that keeps weights within something: their signs.
        let signed = self.sign.as_ref().map(|_| f64::from(f32::MAX));
        self.w_max.or(signed)
    }
    fn memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }
    fn looks_back(&self) -> bool {
        self.horizon.is_beyond_a_step()
    }
}

#[cfg(test)]
mod tests;
