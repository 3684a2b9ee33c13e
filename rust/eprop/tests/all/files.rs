//! Files of trainers: what goes on from them, what is refused, and files that Python and Rust have written.
//!
//! `cargo test -p eprop --test all -- files:: --ignored` writes `tests/files/rust_*.safetensors` anew, which is for a new schema only: files of old ones stay.

use crate::sealed::sealed;
use eprop::{
    Config, Engine, EpropAgent, EpropTrainer, Error, FileInfo, Float, LayerConfig, OnlineLifLayer,
    OnlineTrainer, Optimizer, StackConfig, UpdateEvery,
};
use ndarray::{Array1, array};
use safetensors::SafeTensors;

fn inputs<F: Float>(t: usize) -> Array1<F> {
    Array1::from_shape_fn(3, |i| F::cast(f64::from(u8::from((t + i) % 3 == 0))))
}

fn busy<F: Float>(config: Config) -> EpropTrainer<F> {
    let mut trainer = EpropTrainer::new(3, 4, 2, config).unwrap();
    let lively = trainer.w_in().mapv(|w| w * F::cast(3.0));
    trainer.set_w_in(lively.view()).unwrap();
    go_on(&mut trainer);
    trainer
}

fn go_on<F: Float>(trainer: &mut EpropTrainer<F>) {
    for t in 0..27 {
        let target = array![F::cast(0.5), F::cast(-0.5)];
        trainer.step(inputs(t).view(), Some(target.view())).unwrap();
    }
}

fn configs() -> [Config; 4] {
    [
        Config::default(),
        Config {
            update_every: UpdateEvery::Steps(5),
            optimizer: Optimizer::ADAM,
            ..Config::default()
        },
        Config {
            update_every: UpdateEvery::Sequence,
            readout_bias: true,
            ..Config::default()
        },
        Config {
            engine: Some(Engine::Textbook),
            tau_mem: 0.1 + 0.2,
            seed: u64::MAX,
            ..Config::default()
        },
    ]
}

#[test]
fn a_trainer_of_a_file_goes_on_with_the_same_bits() {
    fn of<F: Float>(folder: &std::path::Path) {
        for config in configs() {
            let mut trainer = busy::<F>(config);
            let path = folder.join(F::NAME);
            trainer.save(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), trainer.to_bytes());
            let mut twin = EpropTrainer::<F>::load(&path).unwrap();
            assert_eq!(twin.config(), trainer.config());
            go_on(&mut trainer);
            go_on(&mut twin);
            assert!(twin.state_equal(&trainer));
            assert_eq!(twin.to_bytes(), trainer.to_bytes());
        }
    }
    let folder = std::env::temp_dir().join(format!("eprop-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    of::<f32>(&folder);
    of::<f64>(&folder);
    let mut names = std::fs::read_dir(&folder).unwrap().count();
    std::fs::remove_dir_all(&folder).unwrap();
    names -= 2;
    assert_eq!(names, 0, "temporary files are left");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = EpropTrainer::<f32>::load("no/such/file").unwrap_err();
    assert!(matches!(error, Error::File { .. }));
    assert!(error.to_string().contains("no/such/file"), "{error}");
    let trainer = busy::<f32>(Config::default());
    let error = trainer.save("no/such/file").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("path: expected a file to write"),
        "{error}"
    );
}

#[test]
fn rates_may_have_changed_and_come_back_but_no_other_setting_may() {
    let mut trainer = busy::<f64>(Config::default());
    trainer.set_lr(0.25).unwrap();
    trainer.set_lr_rec(Some(0.0)).unwrap();
    let saved = trainer.to_bytes();
    let mut twin = busy::<f64>(Config::default());
    twin.restore(&saved).unwrap();
    assert_eq!((twin.lr(), twin.config().lr_rec), (0.25, Some(0.0)));
    go_on(&mut trainer);
    go_on(&mut twin);
    assert!(twin.state_equal(&trainer));
    let other = busy::<f64>(Config {
        tau_mem: 21.0,
        ..Config::default()
    });
    let before = twin.to_bytes();
    let error = twin.restore(&other.to_bytes()).unwrap_err();
    let told = "saved bytes: expected the sizes and the configuration of the trainer that takes them in, got tau_mem = 21.0, where it has 20.0";
    assert_eq!(error.to_string(), told);
    let wider = EpropTrainer::<f64>::new(3, 5, 2, Config::default()).unwrap();
    let told = twin.restore(&wider.to_bytes()).unwrap_err().to_string();
    assert!(told.contains("got sizes = [3, 5, 2], where"), "{told}");
    assert_eq!(twin.to_bytes(), before);
}

#[test]
fn a_class_and_a_width_take_in_their_own_files_alone() {
    let narrow = busy::<f32>(Config::default()).to_bytes();
    let error = EpropTrainer::<f64>::from_bytes(&narrow).unwrap_err();
    let told = "saved bytes: expected EpropTrainer in float64, got EpropTrainer in float32";
    assert_eq!(error.to_string(), told);
    let stack = OnlineTrainer::<f32>::new(&[3, 2], StackConfig::default()).unwrap();
    assert!(EpropTrainer::<f32>::from_bytes(&stack.to_bytes()).is_err());
    assert!(OnlineTrainer::<f32>::from_bytes(&narrow).is_err());
    assert!(OnlineLifLayer::<f32>::from_bytes(&narrow).is_err());
    let twin = OnlineTrainer::<f32>::from_bytes(&stack.to_bytes()).unwrap();
    assert!(twin.state_equal(&stack) && twin.layer_sizes() == stack.layer_sizes());
}

/// A history may be longer than its file has a reason for: it belongs to a network that somebody has had.
#[test]
fn what_a_constructor_makes_its_file_makes_too() {
    for (sizes, config) in [
        (
            (1, 1, 1),
            Config {
                update_every: UpdateEvery::Sequence,
                batch_size: 300,
                ..Config::default()
            },
        ),
        (
            (2, 3, 1),
            Config {
                update_every: UpdateEvery::Sequence,
                horizon: eprop::Horizon::Steps(100_000),
                ..Config::default()
            },
        ),
        (
            (1, 2, 1),
            Config {
                delay: 50_000,
                update_every: UpdateEvery::Steps(20),
                ..Config::default()
            },
        ),
        ((1000, 1, 1), Config::default()),
        ((1, 300, 40), Config::default()),
    ] {
        let trainer = EpropTrainer::<f32>::new(sizes.0, sizes.1, sizes.2, config).unwrap();
        let twin = EpropTrainer::<f32>::from_bytes(&trainer.to_bytes()).unwrap();
        assert!(twin.state_equal(&trainer));
    }
}

#[test]
fn a_file_that_asks_for_more_memory_than_it_can_be_the_reason_for_is_refused() {
    let saved = busy::<f32>(Config::default()).to_bytes();
    for (from, to) in [
        (r#"\"sizes\":[3,4,2]"#, r#"\"sizes\":[3,9999999,2]"#),
        (r#"\"batch_size\":1"#, r#"\"batch_size\":99999999"#),
        (r#"\"delay\":1"#, r#"\"delay\":999999999999"#),
    ] {
        let changed = with_header(&saved, from, to);
        let error = EpropTrainer::<f32>::from_bytes(&changed).unwrap_err();
        assert!(
            error.to_string().contains("sizes that ") || error.to_string().contains("memory"),
            "{error}"
        );
    }
}

fn with_header(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let start = crate::sealed::data(bytes);
    let header = std::str::from_utf8(&bytes[8..start]).unwrap();
    assert!(header.contains(from), "{header}");
    let mut header = header.replace(from, to);
    while header.len() % 8 > 0 {
        header.push(' ');
    }
    let mut whole = (header.len() as u64).to_le_bytes().to_vec();
    whole.extend_from_slice(header.as_bytes());
    whole.extend_from_slice(&bytes[start..]);
    sealed(&whole)
}

const KEPT: [(&str, &[u8]); 7] = [
    (
        "EpropTrainer",
        include_bytes!("../files/rust_recurrent.safetensors"),
    ),
    (
        "OnlineTrainer",
        include_bytes!("../files/rust_stack.safetensors"),
    ),
    (
        "OnlineLIFLayer",
        include_bytes!("../files/rust_layer.safetensors"),
    ),
    (
        "EpropTrainer",
        include_bytes!("../files/python_recurrent.safetensors"),
    ),
    (
        "OnlineTrainer",
        include_bytes!("../files/python_stack.safetensors"),
    ),
    (
        "OnlineLIFLayer",
        include_bytes!("../files/python_layer.safetensors"),
    ),
    (
        "EpropAgent",
        include_bytes!("../files/python_agent.safetensors"),
    ),
];

#[test]
fn files_of_every_schema_load_whoever_wrote_them() {
    for (class, bytes) in KEPT {
        let info = FileInfo::of(bytes).unwrap();
        assert_eq!((info.class.as_str(), info.schema), (class, 1));
        let file = SafeTensors::deserialize(bytes).unwrap();
        match class {
            "EpropTrainer" => {
                let trainer = EpropTrainer::<f64>::from_bytes(bytes).unwrap();
                let w_in = file.tensor("W_in").unwrap();
                let found = w_in
                    .data()
                    .chunks_exact(8)
                    .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
                let read = trainer.w_in();
                assert!(found.zip(&read).all(|(a, b)| (a - b).abs() < 1e-12));
                assert!(trainer.n_updates() > 0 && read.iter().all(|w| *w != 0.0));
                let again = EpropTrainer::<f64>::from_bytes(&trainer.to_bytes()).unwrap();
                assert!(again.state_equal(&trainer));
            }
            "OnlineTrainer" => {
                let stack = OnlineTrainer::<f32>::from_bytes(bytes).unwrap();
                assert_eq!(stack.layer_sizes(), [3, 4, 2]);
            }
            "EpropAgent" => {
                let mut agent = EpropAgent::<f32>::from_bytes(bytes).unwrap();
                assert_eq!((agent.n_inputs(), agent.n_actions()), (3, 2));
                assert_eq!(agent.network().n_updates(), 1);
                assert!(agent.act(array![1.0, 0.0, 1.0].view()).unwrap() < 2);
            }
            _ => {
                let layer = OnlineLifLayer::<f32>::from_bytes(bytes).unwrap();
                assert_eq!((layer.n_inputs(), layer.n_neurons()), (3, 4));
            }
        }
    }
}

#[test]
#[ignore = "writes the files that the test above reads"]
fn write_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let config = Config {
        update_every: UpdateEvery::Steps(5),
        beta: 0.1,
        readout_bias: true,
        engine: Some(Engine::Block),
        ..Config::default()
    };
    let recurrent = busy::<f64>(config);
    recurrent
        .save(folder.join("rust_recurrent.safetensors"))
        .unwrap();
    let mut stack = OnlineTrainer::<f32>::new(&[3, 4, 2], StackConfig::default()).unwrap();
    stack
        .step(inputs(0).view(), Some(array![1.0, 0.0].view()))
        .unwrap();
    stack.save(folder.join("rust_stack.safetensors")).unwrap();
    let mut layer = OnlineLifLayer::<f32>::new(3, 4, LayerConfig::default()).unwrap();
    layer.step(inputs(0).view()).unwrap();
    layer.save(folder.join("rust_layer.safetensors")).unwrap();
}
