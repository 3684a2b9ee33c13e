//! A round: one subject, some calls, and then calls again or bytes that nobody saved.

use eprop::Error;

use crate::chance::Chance;
use crate::sealed::sealed;
use crate::subjects::Subject;

/// What was done, to be printed.
#[derive(Default)]
pub struct Counts {
    pub subjects: u64,
    pub calls: u64,
    pub refused: u64,
    pub restored: u64,
    pub refused_bytes: u64,
    pub files: u64,
}

pub fn round<S: Subject>(chance: &mut Chance, counts: &mut Counts) {
    let mut subject = S::draw(chance);
    counts.subjects += 1;
    for _ in 0..chance.within(0, 12) {
        call(&mut subject, chance, counts);
    }
    if chance.once_in(3) {
        saved_and_restored(subject, chance, counts);
    } else {
        wrong_bytes(&subject, chance, counts);
    }
}

/// A call that is refused changes nothing.
fn call<S: Subject>(subject: &mut S, chance: &mut Chance, counts: &mut Counts) {
    let before = subject.clone();
    counts.calls += 1;
    match subject.call(chance) {
        Ok(()) | Err(Error::NonFiniteWeights { .. }) => {}
        Err(error) => {
            counts.refused += 1;
            assert!(!error.to_string().is_empty());
            assert!(subject.state_equal(&before), "refused, but: {error}");
        }
    }
    if chance.once_in(4) {
        let bytes = subject.to_bytes();
        subject.look();
        assert_eq!(bytes, subject.to_bytes(), "looking changed something");
    }
}

/// What goes on from saved bytes goes on alike.
fn saved_and_restored<S: Subject>(mut subject: S, chance: &mut Chance, counts: &mut Counts) {
    let saved = subject.to_bytes();
    let mut twin = subject.clone();
    for _ in 0..3 {
        call(&mut twin, chance, counts);
    }
    let rates = twin.take_rates(&subject);
    assert!(rates.is_ok());
    twin.restore(&saved).expect("bytes of the same trainer");
    counts.restored += 1;
    assert!(twin.state_equal(&subject));
    // A setting, and no part of what is saved.
    let set = (subject.set_lr(1e-3), twin.set_lr(1e-3));
    assert!(set.0.is_ok() && set.1.is_ok());
    for _ in 0..6 {
        let seed = chance.bits();
        let one = subject.call(&mut Chance::new(seed, 0));
        let other = twin.call(&mut Chance::new(seed, 0));
        assert_eq!(one, other);
        if !subject.is_finite() {
            return; // which of its many bit patterns a NaN has is not promised
        }
        assert!(twin.state_equal(&subject));
    }
}

/// Bytes are refused and nothing has changed. Whoever puts the right sum into them gets an error, too, or a trainer that works.
fn wrong_bytes<S: Subject>(subject: &S, chance: &mut Chance, counts: &mut Counts) {
    let saved = subject.to_bytes();
    let mut later = subject.clone();
    for _ in 0..3 {
        call(&mut later, chance, counts);
    }
    let other = later.to_bytes();
    for _ in 0..16 {
        let bytes = broken(&saved, &other, chance);
        counts.files += 1;
        if bytes != saved && bytes != other {
            refused(&bytes, subject, counts);
        }
        let bytes = sealed(&bytes);
        restored(&bytes, subject, chance, counts);
        made::<S>(&bytes, chance, counts);
    }
}

fn refused<S: Subject>(bytes: &[u8], subject: &S, counts: &mut Counts) {
    let mut twin = subject.clone();
    let errors = [twin.restore(bytes).err(), S::made_of(bytes).err()];
    for error in errors {
        assert!(matches!(error, Some(Error::Saved { .. })), "{error:?}");
    }
    counts.refused_bytes += 1;
    assert!(twin.state_equal(subject));
}

fn restored<S: Subject>(bytes: &[u8], subject: &S, chance: &mut Chance, counts: &mut Counts) {
    let mut twin = subject.clone();
    match twin.restore(bytes) {
        Ok(()) => {
            counts.restored += 1;
            works(&mut twin, chance, counts);
            let _ = subject.clone().restore(&twin.to_bytes());
        }
        Err(Error::State { .. } | Error::Saved { .. }) => {
            counts.refused_bytes += 1;
            assert!(twin.state_equal(subject));
        }
        Err(error) => panic!("of bytes, not of a state: {error}"),
    }
}

/// A trainer of its own, with whatever configuration the bytes have.
fn made<S: Subject>(bytes: &[u8], chance: &mut Chance, counts: &mut Counts) {
    match S::made_of(bytes) {
        Ok(mut made) => {
            counts.restored += 1;
            works(&mut made, chance, counts);
        }
        Err(Error::State { .. } | Error::Saved { .. } | Error::TooLarge { .. }) => {
            counts.refused_bytes += 1;
        }
        Err(error) => panic!("of bytes, not of a file: {error}"),
    }
}

fn works<S: Subject>(subject: &mut S, chance: &mut Chance, counts: &mut Counts) {
    for _ in 0..4 {
        call(subject, chance, counts);
    }
}

fn broken(saved: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    if chance.once_in(20) {
        return (0..chance.below(2 * saved.len() + 2))
            .map(|_| chance.bits() as u8)
            .collect();
    }
    let mut bytes = saved.to_vec();
    for _ in 0..chance.within(1, 3) {
        breakage(&mut bytes, other, chance);
    }
    bytes
}

fn breakage(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(bytes.len().max(1));
    match chance.below(12) {
        0 => bytes.truncate(at),
        1 => bytes.extend((0..chance.within(1, 16)).map(|_| chance.bits() as u8)),
        2 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
        3..6 => {
            let large = u64::MAX >> chance.below(6);
            let count = chance.of(&[0, 1, 15, 16, 17, 1023, 1024, 1025, large, large - 1]);
            let at = counter(bytes, at).unwrap_or(at);
            put(bytes, at, &count.to_le_bytes());
        }
        6 => {
            let number = chance.of(&[f32::NAN, f32::INFINITY, -0.0, 1e-44, f32::MAX, 1.0]);
            put(bytes, at, &number.to_le_bytes());
        }
        7 => {
            let number = chance.of(&[f64::NAN, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1.0]);
            put(bytes, at, &number.to_le_bytes());
        }
        8 => digit(bytes, at, chance),
        9 => in_header(bytes, chance),
        10 => {
            let until = other.len().min(at + chance.within(1, 64));
            put(bytes, at, other.get(at..until).unwrap_or(&[]));
        }
        _ => {
            let from = chance.below(bytes.len().max(1));
            let some = bytes.get(from..).unwrap_or(&[]);
            let some = some[..some.len().min(chance.within(1, 64))].to_vec();
            put(bytes, at, &some);
        }
    }
}

/// The next digit is another one: of a size, a setting, an offset.
fn digit(bytes: &mut [u8], from: usize, chance: &mut Chance) {
    let rest = bytes.get_mut(from..).unwrap_or_default();
    if let Some(digit) = rest.iter_mut().find(|byte| byte.is_ascii_digit()) {
        *digit = b'0' + chance.below(10) as u8;
    }
}

/// A digit of the header.
fn in_header(bytes: &mut [u8], chance: &mut Chance) {
    let header = bytes.len().min(8_000);
    if header > 0 {
        digit(bytes, chance.below(header), chance);
    }
}

/// From here on the next place where a length or a counter may lie: few of anything, in eight bytes.
fn counter(bytes: &[u8], from: usize) -> Option<usize> {
    let few = |eight: &[u8]| eight[0] | eight[1] != 0 && eight[2..].iter().all(|&byte| byte == 0);
    let here = bytes.get(from..)?.windows(8).position(few)?;
    Some(from + here)
}

/// In the place of what is there, as far as there is anything.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    let to = bytes.get_mut(at..).unwrap_or_default();
    let len = to.len().min(new.len());
    to[..len].copy_from_slice(&new[..len]);
}
