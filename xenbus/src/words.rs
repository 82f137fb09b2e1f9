//! Enums with a word for each value: on the wire, on the console, in a register. The words of one
//! enum are one string, because a `match` with an arm per value takes more space in an image.

/// The word with this index in a list of words; empty beyond the last.
pub fn nth(words: &'static str, place: usize) -> &'static str {
    words.split_ascii_whitespace().nth(place).unwrap_or("")
}

/// The index of a word in a list of words.
pub fn position(words: &'static str, word: &[u8]) -> Option<usize> {
    words.split_ascii_whitespace().position(|candidate| candidate.as_bytes() == word)
}

/// Defines the words of an enum without fields: `ALL`, the list `WORDS`, and the named function.
/// The list must be in the order of the declaration, which is checked at compile time, and no word
/// may contain a space.
///
/// ```
/// #[derive(Clone, Copy)]
/// enum Side { Front, Back }
/// xenbus::words! {
///     Side,
///     /// Its name.
///     fn name { Front => "front", Back => "back" }
/// }
/// assert_eq!(Side::ALL.map(Side::name), ["front", "back"]);
/// ```
#[macro_export]
macro_rules! words {
    ($type:ty, $(#[$doc:meta])* fn $word:ident { $($variant:ident => $text:literal),* $(,)? }) => {
        impl $type {
            /// All values, in the order of their declaration.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// Their words in that order, each followed by a space.
            pub const WORDS: &'static str = concat!($($text, " "),*);

            $(#[$doc])*
            pub fn $word(self) -> &'static str {
                $crate::words::nth(Self::WORDS, self as usize)
            }
        }

        const _: () = {
            let mut place = 0;
            while place < <$type>::ALL.len() {
                assert!(<$type>::ALL[place] as usize == place, "in the order of the declaration");
                place += 1;
            }
        };
    };
}
