//! One backend with as many links as the budgets promise, each front a domain of its own, in the
//! simulated Xen and under both daemons: 400 at the default quotas, 1,024 with raised ones. What a
//! link costs in requests does not grow with their number, a death is one link's affair, and the link
//! that does not fit is named.

use sim::runs::many_links::ManyLinks;
use sim::store::Flavour;
use sim::store::limits::{NODES_MAX, Quotas};

/// Links at the default quotas.
const DEFAULT: usize = 400;
/// Links at raised quotas.
const RAISED: usize = 1024;
/// Nodes of a domain that 1,024 links need, and some more.
const RAISED_QUOTAS: Quotas = Quotas { nodes: 2100 };
/// How many fronts die in each world.
const DEATHS: usize = 8;

/// What a link costs to disconnect and to connect again where there is no other.
fn cost_alone(flavour: Flavour) -> u64 {
    ManyLinks::at_rest(1, flavour, Quotas::default(), 1).cost_of_cycle(0)
}

fn holds(links: usize, flavour: Flavour, quotas: Quotas) {
    let mut world = ManyLinks::at_rest(links, flavour, quotas, links as u64);
    let alone = cost_alone(flavour);
    for link in [0, links / 2, links - 1] {
        assert_eq!(world.cost_of_cycle(link), alone, "requests of link {link} of {links}");
    }
    world.survive_deaths(DEATHS);
    world.refuse_one_too_many();
}

#[test]
fn thirty_two_links_cost_each_what_one_costs() {
    for flavour in [Flavour::C, Flavour::Ocaml] {
        assert_eq!(cost_alone(flavour), 4, "two to disconnect, two to connect");
        holds(32, flavour, Quotas::default());
    }
}

#[test]
fn four_hundred_links_fit_the_default_quotas_of_c_xenstored() {
    holds(DEFAULT, Flavour::C, Quotas::default());
}

#[test]
fn four_hundred_links_fit_the_default_quotas_of_oxenstored() {
    holds(DEFAULT, Flavour::Ocaml, Quotas::default());
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "slow unless optimised: cargo test --release --test many_links"
)]
fn a_thousand_and_twenty_four_links_fit_raised_quotas_of_c_xenstored() {
    holds(RAISED, Flavour::C, RAISED_QUOTAS);
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "slow unless optimised: cargo test --release --test many_links"
)]
fn a_thousand_and_twenty_four_links_fit_raised_quotas_of_oxenstored() {
    holds(RAISED, Flavour::Ocaml, RAISED_QUOTAS);
}

#[test]
fn a_thousand_and_twenty_four_links_are_more_than_the_default_quotas_bear() {
    assert!(2 * RAISED as i64 > NODES_MAX && 2 * DEFAULT as i64 <= NODES_MAX);
}
