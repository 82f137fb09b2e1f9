//! One step of a script, as a value and as a line.
//!
//! ```text
//! 1 WRITE - data/a\0x             domain 1 asks, outside any transaction
//! 1 TRANSACTION_START =t3 \0      its answer is what t3 means from now on
//! 1 READ t3 data/a\0              in that transaction; `#77` is the number 77 itself
//! 2? WRITE - ...                  the answer may fail to come
//! 1 fill WRITE 1100 - f/%d/%m\0   1,100 requests, by tens until one is refused; %i counts them,
//!                                 %d = %i / 64, %m = %i % 64
//! 1 sleep / 1 wake                leaves its replies in the ring / takes them again
//! 3 create / 3 destroy            by the toolstack
//! 2 oversize                      a header that announces 5,000 bytes
//! pass 21                         so many seconds
//! update                          a live update of C xenstored is asked for, and not waited for
//! ```

use crate::packet::{name, number};
use crate::text::{escape, unescape};

/// In which transaction a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tx {
    /// In none.
    None,
    /// In the one of this label.
    In(u16),
    /// In none; the answer is the number of the one of this label.
    Starts(u16),
    /// In the one of this number, whether it exists or not.
    Number(u32),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// enum xsd_sockmsg_type, or no member of it.
    pub kind: u32,
    /// Its transaction.
    pub tx: Tx,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptStep {
    /// A domain asks.
    Ask {
        /// Which; 0 is the toolstack.
        who: u16,
        /// What.
        ask: Ask,
        /// Whether the answer must come: otherwise it is waited for only for a while.
        sure: bool,
    },
    /// A domain asks again and again until it is refused.
    Fill {
        /// Which.
        who: u16,
        /// What, with `%i`, `%d` and `%m` for its number, and what that is divided and left by 64.
        ask: Ask,
        /// How often at most.
        count: u32,
    },
    /// A domain leaves what the daemon sends in its ring, or takes it again.
    Sleep {
        /// Which.
        who: u16,
        /// Leaves.
        asleep: bool,
    },
    /// The toolstack makes a domain of this number.
    Create(u16),
    /// The toolstack destroys it.
    Destroy(u16),
    /// A domain announces more than a message may hold.
    Oversize(u16),
    /// Time passes, in seconds.
    Pass(u32),
    /// The toolstack asks for a live update of C xenstored. It comes once no transaction is open;
    /// oxenstored is left as it is.
    Update,
}

/// How many bytes [`ScriptStep::Oversize`] announces: more than XENSTORE_PAYLOAD_MAX.
pub const OVERSIZE_BYTES: u32 = 5000;

impl Ask {
    fn line(&self) -> String {
        let tx = match self.tx {
            Tx::None => "-".to_string(),
            Tx::In(label) => format!("t{label}"),
            Tx::Starts(label) => format!("=t{label}"),
            Tx::Number(number) => format!("#{number}"),
        };
        format!("{tx} {}", escape(&self.payload))
    }

    fn parse(kind: &str, text: &str) -> Option<Ask> {
        let (tx, payload) = text.split_once(' ')?;
        let tx = match tx.split_at_checked(1)? {
            ("-", "") => Tx::None,
            ("t", label) => Tx::In(label.parse().ok()?),
            ("=", label) => Tx::Starts(label.strip_prefix('t')?.parse().ok()?),
            ("#", number) => Tx::Number(number.parse().ok()?),
            _ => return None,
        };
        Some(Ask { kind: number(kind)?, tx, payload: unescape(payload)? })
    }

    /// The request number `i` of a [`ScriptStep::Fill`].
    pub fn numbered(&self, i: u32) -> Ask {
        let mut payload = Vec::new();
        let mut rest = &self.payload[..];
        while let Some((first, behind)) = rest.split_first() {
            let number = match (first, behind.first()) {
                (b'%', Some(b'i')) => i,
                (b'%', Some(b'd')) => i / 64,
                (b'%', Some(b'm')) => i % 64,
                _ => {
                    payload.push(*first);
                    rest = behind;
                    continue;
                }
            };
            payload.extend_from_slice(number.to_string().as_bytes());
            rest = &behind[1..];
        }
        Ask { payload, ..self.clone() }
    }
}

impl ScriptStep {
    /// The line.
    pub fn line(&self) -> String {
        match self {
            ScriptStep::Ask { who, ask, sure } => {
                let mark = if *sure { "" } else { "?" };
                format!("{who}{mark} {} {}", name(ask.kind), ask.line())
            }
            ScriptStep::Fill { who, ask, count } => {
                format!("{who} fill {} {count} {}", name(ask.kind), ask.line())
            }
            ScriptStep::Sleep { who, asleep: true } => format!("{who} sleep"),
            ScriptStep::Sleep { who, asleep: false } => format!("{who} wake"),
            ScriptStep::Create(who) => format!("{who} create"),
            ScriptStep::Destroy(who) => format!("{who} destroy"),
            ScriptStep::Oversize(who) => format!("{who} oversize"),
            ScriptStep::Pass(seconds) => format!("pass {seconds}"),
            ScriptStep::Update => "update".into(),
        }
    }

    /// Reads a line; none where it is malformed.
    pub fn parse(line: &str) -> Option<ScriptStep> {
        if line == "update" {
            return Some(ScriptStep::Update);
        }
        let (who, rest) = line.split_once(' ')?;
        if who == "pass" {
            return Some(ScriptStep::Pass(rest.parse().ok()?));
        }
        let sure = !who.ends_with('?');
        let who = who.trim_end_matches('?').parse().ok()?;
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(match word {
            "sleep" => ScriptStep::Sleep { who, asleep: true },
            "wake" => ScriptStep::Sleep { who, asleep: false },
            "create" => ScriptStep::Create(who),
            "destroy" => ScriptStep::Destroy(who),
            "oversize" => ScriptStep::Oversize(who),
            "fill" => {
                let mut words = more.splitn(3, ' ');
                let (kind, count) = (words.next()?, words.next()?.parse().ok()?);
                ScriptStep::Fill { who, ask: Ask::parse(kind, words.next()?)?, count }
            }
            kind => ScriptStep::Ask { who, ask: Ask::parse(kind, more)?, sure },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        for line in [
            "1 WRITE - data/a\\0x",
            "1 TRANSACTION_START =t3 \\0",
            "2? READ t3 data/a\\0",
            "0 #20 #77 ",
            "1 fill WRITE 1100 - f/%d/%m\\0",
            "1 sleep",
            "1 wake",
            "3 create",
            "3 destroy",
            "2 oversize",
            "pass 21",
            "update",
        ] {
            let step = ScriptStep::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(step.line(), line);
        }
        assert_eq!(ScriptStep::parse("1 NONSENSE - a"), None);
    }

    #[test]
    fn requests_of_a_fill_are_numbered() {
        let ask = Ask { kind: 11, tx: Tx::None, payload: b"f/%d/%m/%i%".to_vec() };
        assert_eq!(ask.numbered(130).payload, b"f/2/2/130%");
    }
}
