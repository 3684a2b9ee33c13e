use alloc::string::ToString;
use alloc::{vec, vec::Vec};

use ndarray::{Array1, Array2, array};

use super::{AgentConfig, EpropAgent, Next};
use crate::testing::{Noise, in_both, near};
use crate::{Config, Error, Float, Inputs, Interrupt, Optimizer, UpdateEvery};

const N_INPUTS: usize = 3;
const STEPS: usize = 4;

fn config(network: Config) -> AgentConfig {
    AgentConfig {
        network: Config {
            optimizer: Optimizer::PLAIN_SGD,
            readout_bias: true,
            ..network
        },
        steps_per_action: STEPS,
        ..AgentConfig::default()
    }
}

fn agent<F: Float>(config: AgentConfig) -> EpropAgent<F> {
    EpropAgent::new(N_INPUTS, 12, 2, config).unwrap()
}

fn seen<F: Float>(noise: &mut Noise) -> Array1<F> {
    (0..N_INPUTS)
        .map(|_| F::cast(2.0 * noise.uniform()))
        .collect()
}

in_both! {
    fn a_decision_by_hand<F>() {
        // Without spikes there are biases alone: pi = (1/2, 1/2), V = 0, delta = 1.
        let network = Config { lr: 0.5, tau_out: Some(0.0), ..Config::default() };
        let mut agent = agent::<F>(config(network));
        let silence = Array1::from_elem(N_INPUTS, F::ZERO);
        let action = agent.act(silence.view()).unwrap();
        agent.learn(1.0, true).unwrap();
        let mut moved = [-0.25, -0.25, 0.25];
        moved[action] = 0.25;
        near("b", agent.network().b().as_slice().unwrap(), &moved);
        assert_eq!((agent.policy(0), agent.td_error(0)), (Some(&[0.5, 0.5][..]), Some(1.0)));
    }
}

in_both! {
    fn a_time_limit_is_no_end<F>() {
        // A bias of 2 is the value, whatever is seen.
        let network = Config { lr: 0.0, tau_out: Some(0.0), ..Config::default() };
        let mut agent = agent::<F>(AgentConfig { gamma: 0.5, ..config(network) });
        agent.set_b(array![F::ZERO, F::ZERO, F::cast(2.0)].view()).unwrap();
        let (silence, steps) = (Array1::from_elem(N_INPUTS, F::ZERO), Array2::from_elem((STEPS, N_INPUTS), F::ZERO));
        for (next, delta) in [(Next::End, 1.0 - 2.0), (Next::TimeLimit(steps.view().into()), 1.0 + 0.5 * 2.0 - 2.0)] {
            agent.act(silence.view()).unwrap();
            agent.learn_batch(&[1.0], &[next], true).unwrap();
            assert_eq!(agent.td_error(0), Some(delta));
        }
    }
}

in_both! {
    fn environments_that_live_alike_teach_as_one_of_twice_the_rate<F>() {
        // A policy that is certain acts alike in both.
        let of = |lr, batch_size| config(Config { lr, batch_size, update_every: UpdateEvery::Sequence, ..Config::default() });
        let (mut one, mut two) = (agent::<F>(of(1e-3, 1)), agent::<F>(of(5e-4, 2)));
        for agent in [&mut one, &mut two] {
            agent.set_b(array![F::cast(40.0), F::ZERO, F::ZERO].view()).unwrap();
        }
        let mut noise = Noise(3);
        for t in 0..20 {
            let x = seen::<F>(&mut noise);
            let rows = x.broadcast((STEPS, N_INPUTS)).unwrap();
            let (reward, next) = (noise.signed(), if t % 5 == 4 { Next::End } else { Next::Decision });
            one.act_batch(&[rows.into()]).unwrap();
            two.act_batch(&[rows.into(), rows.into()]).unwrap();
            one.learn_batch(&[reward], &[next], true).unwrap();
            two.learn_batch(&[reward; 2], &[next; 2], true).unwrap();
        }
        let numbers = |agent: &EpropAgent<F>| agent.network().w_in().iter().copied().collect::<Vec<_>>();
        let expected: Vec<f64> = numbers(&one).iter().map(|w| w.to_f64()).collect();
        near("W_in", &numbers(&two), &expected);
        assert!(numbers(&one) != numbers(&agent::<F>(of(1e-3, 1))));
    }
}

in_both! {
    fn bytes_and_copies_go_on_with_the_same_bits<F>() {
        let mut network = config(Config { update_every: UpdateEvery::Steps(3), ..Config::default() });
        network.entropy = 0.1;
        let mut agent = agent::<F>(network);
        let mut noise = Noise(5);
        for t in 0..7 {
            agent.act(seen::<F>(&mut noise).view()).unwrap();
            agent.learn(noise.signed(), t == 3).unwrap();
        }
        agent.act(seen::<F>(&mut noise).view()).unwrap();
        let mut copy = agent.clone();
        let mut restored = self::agent::<F>(agent.config().clone());
        restored.restore(&agent.try_to_bytes().unwrap()).unwrap();
        for twin in [&mut copy, &mut restored] {
            assert!(twin.try_state_equal(&agent).unwrap());
        }
        let x = seen::<F>(&mut noise);
        let go_on = |agent: &mut EpropAgent<F>| {
            agent.learn(0.5, false).unwrap();
            agent.act(x.view()).unwrap()
        };
        let action = go_on(&mut agent);
        for twin in [&mut copy, &mut restored] {
            assert_eq!(go_on(twin), action);
            assert!(twin.try_state_equal(&agent).unwrap());
        }
    }
}

#[test]
fn bytes_of_no_stage_are_refused_and_change_nothing() {
    let mut agent = agent::<f64>(config(Config::default()));
    agent.act(array![1.0, 0.5, 0.0].view()).unwrap();
    let (before, good) = (agent.clone(), agent.try_to_bytes().unwrap());
    let mut refused = 0;
    for at in (0..good.len()).step_by(8) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        if agent.restore(&bad).is_err() {
            refused += 1;
            assert!(agent.try_state_equal(&before).unwrap());
        } else {
            // Whatever was read, nothing panics.
            let _ = agent.learn(1.0, false);
            let _ = agent.act(array![1.0, 0.5, 0.0].view());
            agent.restore(&good).unwrap();
        }
    }
    assert!(refused > 10);
    assert!(agent.restore(&good[..good.len() - 1]).is_err());
}

#[test]
fn errors_are_about_what_was_handed_over_and_where() {
    let mut two = agent::<f32>(config(Config {
        batch_size: 2,
        ..Config::default()
    }));
    let good = Array2::<f32>::zeros((STEPS, N_INPUTS));
    let (narrow, short) = (
        Array2::zeros((STEPS, 2)),
        Array2::zeros((STEPS - 1, N_INPUTS)),
    );
    let mut acts = |x: &Array2<f32>| {
        let observations: [Inputs<'_, f32>; 2] = [good.view().into(), x.view().into()];
        two.act_batch(&observations).unwrap_err().to_string()
    };
    assert_eq!(
        acts(&narrow),
        "observation: expected shape (T, 3), got (4, 2) in stream 1"
    );
    assert_eq!(
        acts(&short),
        "observation: expected 4 steps (steps_per_action), got 3 in stream 1"
    );
    assert_eq!(
        two.act_batch(&[good.view().into()])
            .unwrap_err()
            .to_string(),
        "observation: expected 2 streams, got 1"
    );
    assert_eq!(
        two.learn_batch(&[0.0, 0.0], &[Next::End, Next::End], true)
            .unwrap_err()
            .to_string(),
        "reward: expected an action that waits for it: call act(observation) first, got a reward in stream 0"
    );
    two.act_batch(&[good.view().into(), good.view().into()])
        .unwrap();
    let error = two
        .learn_batch(&[0.0, f64::NAN], &[Next::End, Next::End], true)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "reward: expected a finite number, got NaN in stream 1"
    );
    two.learn_batch(&[0.0, 1.0], &[Next::Decision, Next::End], true)
        .unwrap();
    let error = two
        .act_greedily_batch(&[good.view().into(), good.view().into()])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("greedy: expected no decision that is still learned from"),
        "{error}"
    );
}

#[test]
fn an_update_is_due_after_as_many_errors_or_at_an_end() {
    for (update_every, updates) in [
        (UpdateEvery::Steps(1), [0, 0, 1, 2, 4]),
        (UpdateEvery::Steps(3), [0, 0, 0, 0, 1]),
        (UpdateEvery::Sequence, [0, 0, 0, 0, 1]),
    ] {
        let mut agent = agent::<f32>(config(Config {
            update_every,
            ..Config::default()
        }));
        for (t, expected) in updates.into_iter().enumerate() {
            assert_eq!(
                agent.network().n_updates(),
                expected,
                "{update_every:?} before decision {t}"
            );
            if t < 4 {
                agent.act(array![1.0, 1.0, 0.0].view()).unwrap();
                // The error of a decision is known when the next is taken, or at the end.
                agent.learn(1.0, t == 3).unwrap();
            }
        }
    }
}

#[test]
fn the_steps_of_a_last_observation_can_be_stopped_and_the_reward_still_waits() {
    let mut agent = agent::<f64>(config(Config::default()));
    let x = seen(&mut Noise(5));
    let rows = agent.at_each_step(&x.view()).unwrap().to_owned();
    agent.act(x.view()).unwrap();
    let mut whole = agent.clone();
    agent.trainer.set_interrupt(Interrupt::every(1, || true));
    let over = [Next::TimeLimit(rows.view().into())];
    let stopped = agent.learn_batch(&[1.0], &over, true);
    assert_eq!(stopped, Err(Error::Interrupted));
    agent.trainer.set_interrupt(Interrupt::default());
    assert!(agent.memory.episodes[0].awaits_reward());
    agent.learn_batch(&[1.0], &over, true).unwrap();
    whole.learn_batch(&[1.0], &over, true).unwrap();
    assert_eq!(agent.network().n_updates(), whole.network().n_updates());
}
