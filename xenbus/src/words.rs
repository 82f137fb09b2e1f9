//! Enums whose values have a word each: on the wire, on the console, in a register. The words of one
//! enum are one text in the image; a `match` with an arm for each takes more room than the words.

/// The word at this place in a text of words; empty behind the last.
pub fn nth(words: &'static str, place: usize) -> &'static str {
    words.split_ascii_whitespace().nth(place).unwrap_or("")
}

/// The place of a word in a text of words.
pub fn position(words: &'static str, word: &[u8]) -> Option<usize> {
    words.split_ascii_whitespace().position(|candidate| candidate.as_bytes() == word)
}

/// Gives an enum without fields its words: `ALL`, the text `WORDS`, and the function that is
/// named. The list is in the order of the declaration, which is checked when it is
/// compiled; no word has a blank.
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
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// Their words in that order, each with a blank behind it.
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
