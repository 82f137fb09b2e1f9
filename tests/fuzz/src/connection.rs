//! A connection's pages in hostile hands: both honest ends work on pages in which somebody else
//! writes what he likes. The back goes on only while the header is the announced one and the fence
//! is open, reads what the words say, and at the end nothing is left mapped or granted.

use channel::Hypervisor as _;
use grant::header::Closing;
use grant::layout::{BACK_WORDS, FRONT_WORDS, back_line, front_line};
use grant::{
    BackConnection, ConnectionId, DomId, Epoch, Fence, FrontConnection, GrantRef, LinkTag,
    PageWords, Quarantine, Terms, TransferError, VerifyError, Window,
};

use super::spoil::number;
use prng::Prng;
use sim::base::page::Page;
use sim::machine::ports::SimXen;
use sim::xen::{SimPages, Sizes, Xen};

/// Acts of one input at most.
const ACTS_MAX: u32 = 100;

/// The number of the front's domain.
const FRONT: u16 = 5;
/// The number of the back's domain.
const BACK: u16 = 6;

/// One input. `verify` is the back's look at the header: [`BackConnection::verify`], or a broken one.
///
/// # Panics
/// If an end breaks a rule.
pub fn check(
    input: &[u8],
    verify: impl Fn(&mut BackConnection<SimPages>, &Terms) -> Result<(), VerifyError>,
) {
    let mut chance = Prng::from_bytes(input);
    let xen = Xen::new(Sizes::FEW);
    let (front_life, back_life) = (xen.create(FRONT), xen.create(BACK));
    let mut front = SimXen::new(&xen, front_life);
    let mut back = SimXen::new(&xen, back_life);
    let (mut quarantine, mut window) = (Quarantine::new(1), Window::new(2));
    let terms = Terms {
        epoch: Epoch::from_bits(chance.wide()),
        number: ConnectionId(number(&mut chance)),
        link: LinkTag::new("a").expect("a valid name"),
    };
    let pages = chance.between(1, 2) as usize;
    let set = front.allocate(pages, DomId(BACK)).expect("a fresh domain has pages");
    let opened = FrontConnection::open(set, DomId(BACK), &terms, &mut front, &mut quarantine);
    let mut granting = opened.expect("an empty table has room");
    let refs: Vec<GrantRef> = granting.refs().collect();
    let run = window.map(&mut back, DomId(FRONT), &refs).expect("an honest offer can be mapped");
    let view = back.foreign_pages(&run);
    let mut mapping = BackConnection::new(run, view);
    let page = xen.shared_pages(front_life).remove(0);

    let announced = line(&page);
    for _ in 0..chance.below(3) {
        scribble(&mut chance, &page);
    }
    let before = all(&page);
    let verified = verify(&mut mapping, &terms);
    assert_eq!(verified.is_ok(), line(&page) == announced, "the header, to the byte");
    assert!(all(&page) == before, "verifying writes nothing");
    if verified.is_ok() {
        mapping.stamp(Epoch::from_bytes(*b"the-back's-epoch"));
        let stamp = granting.observe().stamp;
        assert_eq!(
            (stamp.epoch, stamp.number),
            (Epoch::from_bytes(*b"the-back's-epoch"), terms.number)
        );
        for _ in 0..ACTS_MAX {
            if chance.is_used_up() {
                break;
            }
            act(&mut chance, &page, &announced, &mut granting, &mut mapping);
        }
    }
    mapping.unmap(&mut window, &mut back).expect("nothing refuses it");
    let released = granting.release(&mut front, &mut quarantine);
    assert!(released.is_ok(), "nobody maps it any more");
    assert_eq!(xen.mapped_pages(back_life), 0);
}

/// One call of an honest end, or a scribble of the hostile one.
fn act(
    chance: &mut Prng,
    page: &Page,
    announced: &[u8],
    front: &mut FrontConnection<SimPages>,
    back: &mut BackConnection<SimPages>,
) {
    let is_open = page_fence(page) == announced[front_line::FENCE..];
    let mut bytes = [0; 700];
    let length = chance.below(700) as usize;
    match chance.below(7) {
        0 => {
            let _ = front.write(&bytes[..length]);
        }
        1 => {
            let _ = front.read(&mut bytes[..length]);
        }
        2 => fenced(back.write(&bytes[..length]), is_open),
        3 => fenced(back.read(&mut bytes[..length]), is_open),
        4 => {
            let words = PageWords { beat: chance.word(), sent: 2, delivered: 1 };
            front.publish(words);
            let seen = back.observe();
            assert_eq!(seen.words, words);
            assert_eq!(seen.fence == Fence::Open, is_open);
            assert_eq!(seen.closing, closing(page, FRONT_WORDS));
        }
        5 => {
            let words = PageWords { beat: 1, sent: chance.word(), delivered: 3 };
            back.publish(words);
            let seen = front.observe();
            assert_eq!((seen.words, seen.closing), (words, closing(page, BACK_WORDS)));
            assert_eq!(seen.stamp.number, ConnectionId(page.load(back_line::STAMP_NUMBER)));
        }
        _ => scribble(chance, page),
    }
}

/// The back stops at a closed fence, and at no open one.
fn fenced(moved: Result<usize, TransferError>, is_open: bool) {
    assert_eq!(moved == Err(TransferError::Fenced), !is_open, "the fence is looked at");
}

fn closing(page: &Page, words: usize) -> Closing {
    match page.load(words + grant::layout::WORDS_CLOSING) {
        0 => Closing::NotAsked,
        _ => Closing::Asked,
    }
}

/// A word anywhere in the header, mostly where it matters.
fn scribble(chance: &mut Prng, page: &Page) {
    let at = match chance.below(3) {
        0 => chance.below(16) as usize * 4,
        1 => chance.below(128) as usize * 4,
        _ => 192 + 4 * chance.below(64) as usize,
    };
    let value = match chance.below(3) {
        0 => page.load(at).wrapping_add(chance.below(3)).wrapping_sub(1),
        1 => page.load(at) ^ (1 << chance.below(32)),
        _ => number(chance),
    };
    page.store(at, value);
}

fn all(page: &Page) -> Vec<u8> {
    let mut bytes = vec![0; grant::PAGE_BYTES];
    page.copy_from(0, &mut bytes);
    bytes
}

fn line(page: &Page) -> Vec<u8> {
    all(page)[..grant::layout::LINE_BYTES].to_vec()
}

fn page_fence(page: &Page) -> Vec<u8> {
    all(page)[front_line::FENCE..front_line::FENCE + 8].to_vec()
}
