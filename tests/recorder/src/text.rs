//! Bytes as readable text, and back: nul is `\0`, other bytes that are not graphic `\xNN`, and a
//! byte that comes many times in a row `{x*2000}`.

/// From how many equal bytes in a row on only their number is written.
const RUN_MIN: usize = 12;

/// The text of some bytes; without blanks.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in bytes.chunk_by(|one, other| one == other) {
        let one = escape_one(run[0]);
        if run.len() >= RUN_MIN {
            text.push_str(&format!("{{{one}*{}}}", run.len()));
        } else {
            text.push_str(&one.repeat(run.len()));
        }
    }
    text
}

fn escape_one(byte: u8) -> String {
    match byte {
        0 => "\\0".into(),
        b'\\' | b'{' => format!("\\x{byte:02x}"),
        graphic if graphic.is_ascii_graphic() => char::from(graphic).to_string(),
        other => format!("\\x{other:02x}"),
    }
}

/// The bytes of a text; none where it is malformed.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        if let Some(run) = rest.strip_prefix(b"{") {
            let (byte, behind) = take_one(run)?;
            let behind = behind.strip_prefix(b"*")?;
            let end = behind.iter().position(|byte| *byte == b'}')?;
            let count: usize = core::str::from_utf8(&behind[..end]).ok()?.parse().ok()?;
            bytes.extend(core::iter::repeat_n(byte, count));
            rest = &behind[end + 1..];
        } else {
            let (byte, behind) = take_one(rest)?;
            bytes.push(byte);
            rest = behind;
        }
    }
    Some(bytes)
}

fn take_one(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b'0', rest @ ..] => Some((0, rest)),
        [b'\\', b'x', high, low, rest @ ..] => {
            let digits = [*high, *low];
            let byte = u8::from_str_radix(core::str::from_utf8(&digits).ok()?, 16).ok()?;
            Some((byte, rest))
        }
        [b'\\', ..] => None,
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain([7; 40]).chain([0; 12]).chain([b'{', b'*']).collect();
        assert_eq!(unescape(&escape(&all)), Some(all));
        assert_eq!(escape(b"data/a\0x y"), "data/a\\0x\\x20y");
        assert_eq!(escape(&[b'x'; 2000]), "{x*2000}");
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in ["\\", "\\q", "\\x1", "{x*}", "{x*3", "{"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }
}
