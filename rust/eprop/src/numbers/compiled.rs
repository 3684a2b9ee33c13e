//! What is compiled with the crate, and not with every crate that uses it.

/// Declares functions of a number type, and names both types. Code that is generic over the number type is compiled in the crate that names the type, at
/// the level of optimisation of that crate. Behind these functions whoever uses the crate calls what was compiled with it, and builds none of it again.
macro_rules! compiled {
    ($(#[$meta:meta])* trait $trait:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $call:path;)* }) => {
        $(#[$meta])*
        pub(crate) trait $trait: Sized {
            $(fn $name($($arg: $type),*) -> $out where Self: Float;)*
        }
        compiled!(@for f32, $trait, $(fn $name($($arg: $type),*) -> $out = $call;)*);
        compiled!(@for f64, $trait, $(fn $name($($arg: $type),*) -> $out = $call;)*);
    };
    (@for $float:ty, $trait:ident, $(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $call:path;)*) => {
        impl $trait for $float {
            $(#[inline(never)]
            fn $name($($arg: $type),*) -> $out {
                $call($($arg),*)
            })*
        }
    };
}
pub(crate) use compiled;
