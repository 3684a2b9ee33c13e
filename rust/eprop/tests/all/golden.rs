//! An oracle without Python: numbers that the literal NumPy e-prop of `tests/reference.py` wrote. The files in `golden/` are made by
//! `python tests/write_golden.py`; here the crate is held to them in float64, to 1e-10 of the largest entry of each array.

use std::path::Path;

use eprop::{
    Config, Engine, EpropTrainer, LayerConfig, OnlineLifLayer, OnlineTrainer, Optimizer,
    StackConfig, TrainOptions, UpdateEvery,
};
use ndarray::{Array1, Array2, ArrayView, Dimension};
use serde_json::Value;

const TOLERANCE: f64 = 1e-10;

/// The cases of one file, with their names.
fn cases(file: &str) -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let Value::Object(entries) = serde_json::from_str(&text).unwrap() else {
        panic!("{file}: not an object");
    };
    let cases: Vec<_> = entries
        .into_iter()
        .filter(|(name, _)| name != "command")
        .collect();
    assert!(!cases.is_empty(), "{file}: no case");
    cases
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn size(value: &Value) -> usize {
    value.as_u64().expect("a size") as usize
}

fn vector(value: &Value) -> Array1<f64> {
    list(value).iter().map(number).collect()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<_> = list(value).iter().map(vector).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(row, column)| {
        rows[row][column]
    })
}

fn matrices(value: &Value) -> Vec<Array2<f64>> {
    list(value).iter().map(matrix).collect()
}

fn sizes(case: &Value) -> Vec<usize> {
    list(&case["sizes"]).iter().map(size).collect()
}

fn mask(case: &Value) -> Array1<bool> {
    list(&case["mask"])
        .iter()
        .map(|item| size(item) == 1)
        .collect()
}

fn near<D: Dimension>(what: &str, got: ArrayView<'_, f64, D>, expected: ArrayView<'_, f64, D>) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let largest = expected.iter().fold(0.0, |top: f64, x| top.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= TOLERANCE * largest,
            "{what}: {got} instead of {expected}, largest {largest}"
        );
    }
}

fn near_number(what: &str, got: f64, expected: &Value) {
    let expected = number(expected);
    assert!(
        (got - expected).abs() <= TOLERANCE * expected.abs(),
        "{what}: {got} instead of {expected}"
    );
}

fn near_loss(what: &str, got: Option<f64>, expected: &Value) {
    assert_eq!(got.is_none(), expected.is_null(), "{what}");
    if let Some(got) = got {
        near_number(what, got, expected);
    }
}

/// Sets one option; the names and the strings are those of the Python face.
fn set(config: &mut Config, name: &str, value: &Value) {
    match (name, value) {
        ("update_every", Value::String(_)) => config.update_every = UpdateEvery::Sequence,
        ("update_every", n) => config.update_every = UpdateEvery::Steps(size(n)),
        ("lr", x) => config.lr = number(x),
        ("dt", x) => config.dt = number(x),
        ("threshold", x) => config.threshold = number(x),
        ("tau_mem", x) => config.tau_mem = number(x),
        ("tau_trace", x) => config.tau_trace = number(x),
        ("tau_out", x) => config.tau_out = Some(number(x)),
        ("n_ref", n) => config.n_ref = size(n),
        ("surrogate_height", x) => config.surrogate_height = Some(number(x)),
        ("surrogate_width", x) => config.surrogate_width = Some(number(x)),
        ("c_reg", x) => config.c_reg = number(x),
        ("f_target", x) => config.f_target = number(x),
        ("tau_reg", x) => config.tau_reg = number(x),
        ("readout_bias", Value::Bool(bias)) => config.readout_bias = *bias,
        ("limit", Value::Bool(true)) => config.optimizer = Optimizer::SGD,
        ("limit", Value::Bool(false)) => config.optimizer = Optimizer::PLAIN_SGD,
        (_, Value::String(choice)) => choose(config, name, choice),
        _ => panic!("an option that is not read here: {name} = {value}"),
    }
}

fn choose(config: &mut Config, name: &str, choice: &str) {
    match name {
        "reset_mechanism" => config.reset_mechanism = choice.parse().unwrap(),
        "surrogate" => config.surrogate = choice.parse().unwrap(),
        "input_gain" => config.input_gain = choice.parse().unwrap(),
        "readout_gain" => config.readout_gain = choice.parse().unwrap(),
        "loss" => config.loss = choice.parse().unwrap(),
        "feedback" => config.feedback = choice.parse().unwrap(),
        _ => panic!("a choice that is not read here: {name} = {choice}"),
    }
}

fn config_of(case: &Value) -> Config {
    let mut config = Config {
        optimizer: Optimizer::PLAIN_SGD,
        ..Config::default()
    };
    for (name, value) in case["config"].as_object().expect("options") {
        set(&mut config, name, value);
    }
    config
}

fn layer_of(config: &Config) -> LayerConfig {
    LayerConfig {
        lr: config.lr,
        dt: config.dt,
        tau_mem: config.tau_mem,
        threshold: config.threshold,
        n_ref: config.n_ref,
        reset_mechanism: config.reset_mechanism,
        surrogate: config.surrogate,
        surrogate_height: config.surrogate_height,
        surrogate_width: config.surrogate_width,
        input_gain: config.input_gain,
        ..LayerConfig::default()
    }
}

/// The case's trainer in every form of the synapses that its options allow, and in the one that is chosen for it.
fn trainers(case: &Value) -> Vec<EpropTrainer<f64>> {
    let sizes = sizes(case);
    let forms = Engine::ALL.iter().copied().map(Some);
    let trainers: Vec<_> = forms
        .chain([None])
        .filter_map(|engine| {
            let config = Config {
                engine,
                ..config_of(case)
            };
            EpropTrainer::new(sizes[0], sizes[1], sizes[2], config).ok()
        })
        .collect();
    assert!(
        trainers.len() >= 3,
        "the textbook, the blocks and the choice"
    );
    trainers
}

fn assign(trainer: &mut EpropTrainer<f64>, weights: &Value) {
    trainer.set_w_in(matrix(&weights["W_in"]).view()).unwrap();
    trainer.set_w_rec(matrix(&weights["W_rec"]).view()).unwrap();
    trainer.set_w_out(matrix(&weights["W_out"]).view()).unwrap();
    if let Some(b) = weights.get("b") {
        trainer.set_b(vector(b).view()).unwrap();
    }
    if let Some(b) = weights.get("B") {
        trainer.set_b_feedback(matrix(b).view()).unwrap();
    }
}

fn near_weights(what: &str, trainer: &EpropTrainer<f64>, expected: &Value) {
    let near_matrix = |name: &str, got: Array2<f64>| {
        let what = format!("{what}: {name}");
        near(&what, got.view(), matrix(&expected[name]).view());
    };
    near_matrix("W_in", trainer.w_in());
    near_matrix("W_rec", trainer.w_rec());
    near_matrix("W_out", trainer.w_out());
    let b = vector(&expected["b"]);
    near(&format!("{what}: b"), trainer.b().view(), b.view());
}

#[test]
fn recurrent() {
    let mut factored = 0;
    for (name, case) in cases("recurrent.json") {
        for mut trainer in trainers(&case) {
            let what = format!("{name}, {}", trainer.engine().as_str());
            factored += usize::from(trainer.engine() == Engine::Factored);
            assign(&mut trainer, &case["weights"]);
            recurrent_case(&what, &mut trainer, &case);
        }
    }
    assert!(factored >= 6, "{factored} runs of the factored form");
}

fn recurrent_case(what: &str, trainer: &mut EpropTrainer<f64>, case: &Value) {
    let (x, y) = (matrix(&case["inputs"]), matrix(&case["targets"]));
    let mask = mask(case);

    let got = trainer
        .gradients(x.view(), y.view(), Some(mask.view()))
        .unwrap();
    let expected = &case["gradients"];
    for (name, got) in [
        ("W_in", &got.w_in),
        ("W_rec", &got.w_rec),
        ("W_out", &got.w_out),
    ] {
        let what = format!("{what}: gradient of {name}");
        near(&what, got.view(), matrix(&expected[name]).view());
    }
    let b = vector(&expected["b"]);
    near(&format!("{what}: gradient of b"), got.b.view(), b.view());
    near_number(
        &format!("{what}: sum of the loss"),
        got.loss,
        &expected["loss"],
    );

    let expected = &case["stream"];
    let (spikes, outputs) = (matrix(&expected["spikes"]), matrix(&expected["outputs"]));
    for t in 0..x.nrows() {
        let what = format!("{what}, step {t}");
        let step = trainer.step(x.row(t), mask[t].then(|| y.row(t))).unwrap();
        assert_eq!(step.spikes, spikes.row(t), "{what}: spikes");
        near(&format!("{what}: output"), step.output, outputs.row(t));
        near_loss(&format!("{what}: loss"), step.loss, &expected["losses"][t]);
    }

    let expected = &case["after_stream"];
    near_weights(&format!("{what}, after the stream"), trainer, expected);
    let (v, z_bar) = (vector(&expected["v"]), vector(&expected["z_bar"]));
    near(&format!("{what}: v"), trainer.v().view(), v.view());
    near(
        &format!("{what}: z_bar"),
        trainer.z_bar().view(),
        z_bar.view(),
    );
    let e_bar = matrix(&expected["e_bar"]);
    near(
        &format!("{what}: e_bar"),
        trainer.e_bar().view(),
        e_bar.view(),
    );

    let expected = &case["sequence"];
    let options = TrainOptions {
        mask: Some(mask.view()),
        ..TrainOptions::default()
    };
    let got = trainer.train_sequence(x.view(), y.view(), options).unwrap();
    near_number(&format!("{what}: mean loss"), got.loss, &expected["loss"]);
    near_weights(&format!("{what}, after the sequence"), trainer, expected);
}

#[test]
fn stack() {
    for (what, case) in cases("stack.json") {
        let config = config_of(&case);
        let config = StackConfig {
            layer: layer_of(&config),
            loss: config.loss,
            update_every: config.update_every,
            optimizer: config.optimizer,
            ..StackConfig::default()
        };
        let mut trainer = OnlineTrainer::<f64>::new(&sizes(&case), config).unwrap();
        for (l, w) in matrices(&case["weights"]).iter().enumerate() {
            trainer.set_layer_w(l, w.view()).unwrap();
        }
        stack_case(&what, &mut trainer, &case);
    }
}

fn stack_case(what: &str, trainer: &mut OnlineTrainer<f64>, case: &Value) {
    let (x, y) = (matrix(&case["inputs"]), matrix(&case["targets"]));
    let mask = mask(case);

    let got = trainer
        .gradients(x.view(), y.view(), Some(mask.view()))
        .unwrap();
    let expected = &case["gradients"];
    near_layers(&format!("{what}: gradient of W"), &got.w, &expected["W"]);
    near_number(
        &format!("{what}: sum of the loss"),
        got.loss,
        &expected["loss"],
    );

    let expected = &case["stream"];
    let spikes = matrix(&expected["spikes"]);
    for t in 0..x.nrows() {
        let what = format!("{what}, step {t}");
        let step = trainer.step(x.row(t), mask[t].then(|| y.row(t))).unwrap();
        assert_eq!(step.spikes, spikes.row(t), "{what}: spikes");
        assert_eq!(step.output, spikes.row(t), "{what}: output");
        near_loss(&format!("{what}: loss"), step.loss, &expected["losses"][t]);
    }

    let expected = &case["after_stream"];
    let what_after = format!("{what}, after the stream: W");
    near_layers(&what_after, &weights(trainer), &expected["W"]);
    for (l, z_bar) in list(&expected["z_bar"]).iter().enumerate() {
        let got = trainer.layer_z_bar(l).unwrap();
        near(
            &format!("{what}: z_bar of layer {l}"),
            got.view(),
            vector(z_bar).view(),
        );
    }

    let expected = &case["sequence"];
    let options = TrainOptions {
        mask: Some(mask.view()),
        ..TrainOptions::default()
    };
    let got = trainer.train_sequence(x.view(), y.view(), options).unwrap();
    near_number(&format!("{what}: mean loss"), got.loss, &expected["loss"]);
    let what_after = format!("{what}, after the sequence: W");
    near_layers(&what_after, &weights(trainer), &expected["W"]);
}

fn weights(trainer: &OnlineTrainer<f64>) -> Vec<Array2<f64>> {
    (0..trainer.n_layers())
        .map(|l| trainer.layer_w(l).unwrap())
        .collect()
}

fn near_layers(what: &str, got: &[Array2<f64>], expected: &Value) {
    let expected = matrices(expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    for (l, (got, expected)) in got.iter().zip(&expected).enumerate() {
        near(&format!("{what}, layer {l}"), got.view(), expected.view());
    }
}

#[test]
fn layer() {
    for (what, case) in cases("layer.json") {
        let sizes = sizes(&case);
        let config = layer_of(&config_of(&case));
        let mut layer = OnlineLifLayer::<f64>::new(sizes[0], sizes[1], config).unwrap();
        layer.set_w(matrix(&case["weights"]).view()).unwrap();

        let (x, signals) = (matrix(&case["inputs"]), matrix(&case["signals"]));
        let expected = &case["stream"];
        let (spikes, down) = (matrix(&expected["spikes"]), matrix(&expected["down"]));
        for t in 0..x.nrows() {
            let what = format!("{what}, step {t}");
            let got = layer.step(x.row(t)).unwrap();
            assert_eq!(got, spikes.row(t), "{what}: spikes");
            let below = layer.propagate(signals.row(t)).unwrap();
            near(&format!("{what}: signal down"), below.view(), down.row(t));
            layer.apply_learning_signal(signals.row(t)).unwrap();
        }

        let expected = &case["after_stream"];
        let w = matrix(&expected["W"]);
        near(&format!("{what}: W"), layer.w().view(), w.view());
        let (v, z_bar) = (vector(&expected["v"]), vector(&expected["z_bar"]));
        near(&format!("{what}: v"), layer.v().view(), v.view());
        near(
            &format!("{what}: z_bar"),
            layer.z_bar().view(),
            z_bar.view(),
        );
    }
}
