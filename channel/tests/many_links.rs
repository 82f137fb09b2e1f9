//! One back with as many links as the budgets promise: 400 at the daemons' default quotas, 1,024 with
//! raised ones. Each front is a domain of its own.

mod support;

use channel::driver::AddError;
use channel::{LinkId, LinkName, Role};
use support::world::{BACK, LINK};
use support::{Happened, World};

/// Domids of the fronts, from here on.
const FRONTS: u16 = 10;
/// Links that are introduced at one moment: a toolstack does it one by one.
const AT_ONCE: usize = 16;
/// Leaf nodes that a domU can own at default quotas, under either daemon, as seen on real Xen.
const NODES_AT_DEFAULT_QUOTAS: usize = 975;

fn front(link: usize) -> u16 {
    FRONTS + link as u16
}

fn name(link: usize) -> String {
    format!("l{link}")
}

/// So many links, all up.
fn all_up(links: usize) -> World {
    let mut world = World::new(links as u64);
    let names: Vec<String> = (0..links).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.create_with(BACK, Role::Back, &names, links);
    for (group, names) in names.chunks(AT_ONCE).enumerate() {
        for (place, name) in names.iter().enumerate() {
            let front = front(group * AT_ONCE + place);
            world.create(front, Role::Front, name);
            world.introduce(front, BACK, name);
        }
        world.settle();
    }
    assert_eq!(up_at_back(&world), links);
    assert!((0..links).all(|link| world.is_up(front(link))));
    world
}

fn up_at_back(world: &World) -> usize {
    world.domains[&BACK].driver.links().filter(|link| link.endpoint().is_up()).count()
}

/// What the connection of one link costs both ends together.
fn cost_of_connect(world: &mut World, link: usize) -> u64 {
    let before = world.requests_of_all();
    let domain = world.domain(front(link));
    domain.driver.connect(LINK, &mut domain.platform).unwrap();
    world.settle();
    let connected = Happened::Connected(1);
    assert!(world.has(front(link), &connected));
    let is_told = |(id, event): &(LinkId, Happened)| id.index() == link && *event == connected;
    assert!(world.domains[&BACK].events.iter().any(is_told));
    world.requests_of_all() - before
}

fn holds(links: usize) {
    let mut world = all_up(links);

    // Two nodes a link in each home, in sixteen folders and their root; watches whatever the number.
    let (nodes, watches) = {
        let xen = world.xen.borrow();
        (xen.store.count_nodes(BACK), xen.store.count_watches(BACK))
    };
    assert!((2 * links..=2 * links + 17).contains(&nodes), "{nodes} nodes");
    assert!(links > 400 || nodes <= NODES_AT_DEFAULT_QUOTAS, "{nodes} nodes");
    assert!(watches <= 2, "{watches} watches");

    // The one too many is refused by name, and changes nothing.
    let settings = world.settings;
    let one_more = LinkName::new(b"one-more").unwrap();
    let back = world.domain(BACK);
    let refused = back.driver.add_link(one_more, Role::Back, settings, &mut back.platform);
    assert_eq!(refused, Err(AddError::Full));

    // A connection costs what it costs where there is one link only, wherever it stands.
    let alone = cost_of_connect(&mut all_up(1), 0);
    for link in [0, links / 2, links - 1] {
        assert_eq!(cost_of_connect(&mut world, link), alone, "link {link} of {links}");
    }

    // A death is one link's affair.
    let victim = links / 2;
    world.destroy(front(victim));
    world.run_seconds(6);
    let driver = &world.domains[&BACK].driver;
    let down: Vec<usize> = (0..links)
        .filter(|&at| !driver.link(LinkId(at as u16)).unwrap().endpoint().is_up())
        .collect();
    assert_eq!(down, [victim]);
    let others = (0..links).filter(|link| *link != victim);
    assert!(others.map(front).all(|front| world.is_up(front)));
}

#[test]
fn four_hundred_links_fit_the_default_quotas_and_cost_each_what_one_costs() {
    holds(400);
}

#[test]
fn a_thousand_and_twenty_four_links_cost_each_what_one_costs() {
    holds(1024);
}
