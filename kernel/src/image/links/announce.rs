//! What is printed of what happens on a link.

use channel::Epoch;
use channel::event::Event;

use crate::mem::heap;
use crate::trace;
use crate::xen::clock;

/// Prints what happened on a link, for people and for programs.
pub(super) fn announce(link: &str, event: &Event<'_>) {
    let now = clock::now_ns();
    match *event {
        Event::Waiting => crate::say!(Info, "link {link}: waiting to be introduced"),
        Event::Introduced { peer, number } => {
            let peer = u32::from(peer.0);
            trace!("introduced link={link} peer={peer} number={number} t_ns={now}");
        }
        Event::Up { epoch, peer_epoch } => {
            let first_digits = |epoch: Epoch| (epoch.bits() >> 96) as u64;
            let (own, theirs) = (first_digits(epoch), first_digits(peer_epoch));
            // The same each time, however often the link was up before.
            let blocks = heap::blocks();
            trace!(
                "up link={link} t_ns={now} epoch={own:08x} peer_epoch={theirs:08x} heap_blocks={blocks}"
            );
        }
        Event::Down { reason, detected_by, unknown } => {
            let (reason, witness, unknown) =
                (reason.word(), detected_by.word(), u32::from(unknown));
            trace!(
                "down link={link} reason={reason} witness={witness} t_ns={now} unknown={unknown}"
            );
        }
        Event::Refused { number, reason } => {
            trace!("refused link={link} k={} reason={}", number.0, reason.word());
        }
        Event::Notice(notice) => crate::say!(Warn, "link {link}: {}", notice.word()),
        Event::Connected { number } => {
            crate::say!(Debug, "link {link}: connected, number {}", number.0)
        }
        Event::Closing { number } => crate::say!(Debug, "link {link}: peer closes {}", number.0),
        Event::Disconnected { number, .. } => {
            crate::say!(Debug, "link {link}: disconnected, number {}", number.0);
        }
        // The image handles these two.
        Event::Message(_) | Event::Unknown(_) => {}
        _ => crate::say!(Debug, "link {link}: an unknown event"),
    }
}
