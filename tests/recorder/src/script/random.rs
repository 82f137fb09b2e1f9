//! The random part: three clients, few paths, everything that they can ask. What it finds that no
//! chapter has is worth a chapter.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::writer::{HOME_1, HOME_2, Script};
use crate::step::Tx;

/// Changed only to record anew.
const SEED: u64 = 20_061_119;
/// How many steps.
const STEPS: u32 = 1200;
/// After how many the store is made empty again, so that no state lasts for ever.
const ROUND: u32 = 150;
/// Most transactions open at once.
const OPEN_MAX: usize = 3;

const NAMES: [&str; 7] = ["a", "b", "a/b", "a/c", "a/b/d", "box", "box/e"];
const PERMISSIONS: [&str; 12] =
    ["n1", "r1", "w1", "b1", "n1,r2", "n1,b2", "n1,w2", "n2", "n2,b1", "r2,n1", "n2,r1", "b2"];

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.next_u64() % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

pub(super) fn write(s: &mut Script) {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(SEED));
    let mut open: Vec<(u16, Tx)> = Vec::new();
    for step in 0..STEPS {
        if step % ROUND == 0 {
            s.clean();
            open.clear();
            s.permit(0, &format!("{HOME_1}/data"), "n1,b2");
            s.permit(0, &format!("{HOME_2}/data"), "n2,r1");
        }
        one(s, &mut dice, &mut open);
    }
    s.clean();
}

fn one(s: &mut Script, dice: &mut Dice, open: &mut Vec<(u16, Tx)>) {
    // Some of what is asked, is asked in a transaction.
    let (who, tx) = match dice.below(3) {
        0 if !open.is_empty() => dice.one_of(open),
        _ => (dice.one_of(&[0, 1, 1, 1, 2, 2, 2]), Tx::None),
    };
    let home = dice.one_of(&[HOME_1, HOME_1, HOME_1, HOME_2]);
    let mine = if who == 1 { home == HOME_1 } else { who == 2 && home == HOME_2 };
    let name = dice.one_of(&NAMES);
    let path = match dice.below(2) {
        0 if mine => format!("data/{name}"),
        _ => format!("{home}/data/{name}"),
    };
    match dice.below(22) {
        0..=5 => s.write_in(who, tx, &path, dice.one_of(&["", "x", "y", "longer value"])),
        6..=7 => s.ask_in(who, tx, "READ", &[&path]),
        8 => s.ask_in(who, tx, "DIRECTORY", &[&path]),
        9 => s.ask_in(who, tx, "GET_PERMS", &[&path]),
        10 => s.ask_in(who, tx, "MKDIR", &[&path]),
        11..=12 => s.ask_in(who, tx, "RM", &[&path]),
        13..=14 => s.permit_in(who, tx, &path, dice.one_of(&PERMISSIONS)),
        15..=17 => {
            let path = if dice.below(3) == 0 { format!("{home}/data") } else { path };
            let kind = dice.one_of(&["WATCH", "WATCH", "UNWATCH"]);
            s.ask(who, kind, &[&path, dice.one_of(&["t", "u"])]);
        }
        18..=19 if open.len() < OPEN_MAX => {
            let tx = s.start(who);
            open.push((who, tx));
        }
        _ if !open.is_empty() => {
            let (who, tx) = open.swap_remove(dice.below(open.len()));
            s.end(who, tx, dice.one_of(&["T", "T", "T", "F"]));
        }
        _ => s.ask(who, "RESET_WATCHES", &[""]),
    }
}
