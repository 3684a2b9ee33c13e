"""Balance a pole: an agent learns from rewards alone, while it acts. Needs, in a clone, `pip install '.[rl]'`."""

import numpy as np

from eprop.rl import EpropAgent, PopulationEncoder, train

N_EPISODES = 200
# Cart position and velocity, pole angle and velocity.
BOUNDS = np.array([2.4, 3.0, 0.21, 3.0])


def main() -> None:
    encoder = PopulationEncoder(-BOUNDS, BOUNDS, n_units=8)
    agent = EpropAgent(
        encoder.n_inputs,
        n_neurons=64,
        n_actions=2,
        tau_mem=5.0,
        tau_trace=5.0,
        steps_per_action=5,
        gamma=0.97,
        lam=0.8,
        entropy=0.01,
        readout_gain="leak",
        optimizer="adam",
        lr=0.0012,
        seed=2,
    )
    sample = np.random.default_rng(0).uniform(-0.5, 0.5, (100, len(BOUNDS))) * BOUNDS
    agent.calibrate(encoder(sample), rate=100)
    returns = train(agent, "CartPole-v1", N_EPISODES, encode=encoder, reward_scale=1 - agent.gamma, seed=2)
    before, after = np.mean(returns[:15]), np.max(np.convolve(returns, np.full(15, 1 / 15), "valid"))
    print(f"{agent.n_updates} updates, {agent.memory_bytes} bytes whatever the length of an episode")
    assert after > 1.5 * before, (before, after)
    print(f"ok: steps until the pole falls, means of 15 episodes: first {before:.0f}, best {after:.0f}")


if __name__ == "__main__":
    main()
