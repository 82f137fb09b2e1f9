//! The write-rate limit of C xenstored: 200 writes a second among all domains, in bursts of 10.
//!
//! Only writes that could make somebody's transaction fail are charged: direct writes while any
//! transaction is open, and commits while another one is. A domain in debt is not read from.

/// One write, in the fixed-point unit (WRL_FACTOR).
const WRITE_COST: i64 = 1000;
/// WRL_RATE, writes a second for all domains together.
const RATE: i64 = 200 * WRITE_COST;
/// WRL_DBURST, the most that a domain can save up.
const BURST: i64 = 10 * WRITE_COST;
/// WRL_GBURST, the most that the common reserve holds.
const RESERVE_MAX: i64 = 1000 * WRITE_COST;
/// The most that new domains may draw the reserve into debt (WRL_NEWDOMS times the burst).
const NEW_DOMAINS: i64 = 5 * BURST;

const NS_PER_MS: u64 = 1_000_000;

/// The credit of one domain.
#[derive(Clone, Copy, Debug)]
struct Account {
    domain: u16,
    credit: i64,
    updated_ms: u64,
}

/// Credits of all domains and their common reserve.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteLimiter {
    accounts: Vec<Account>,
    reserve: i64,
}

impl WriteLimiter {
    /// A domain comes, with a burst's worth from the reserve.
    pub(crate) fn add(&mut self, domain: u16, now_ns: u64) {
        let gift = BURST.min(self.reserve + NEW_DOMAINS).max(0);
        self.reserve -= gift;
        let account = Account { domain, credit: gift, updated_ms: now_ns / NS_PER_MS };
        self.accounts.push(account);
    }

    /// A domain goes; what it had left goes to the reserve.
    pub(crate) fn remove(&mut self, domain: u16) {
        if let Some(at) = self.accounts.iter().position(|account| account.domain == domain) {
            let left = self.accounts.swap_remove(at).credit;
            self.reserve += left.min(BURST - self.reserve).max(0);
        }
    }

    /// Takes the price of one write.
    pub(crate) fn debit(&mut self, domain: u16, now_ns: u64) {
        self.update(domain, now_ns);
        if let Some(account) = self.accounts.iter_mut().find(|account| account.domain == domain) {
            account.credit -= WRITE_COST;
        }
    }

    /// When the domain is out of debt: now, or at a later time.
    pub(crate) fn ready_at(&mut self, domain: u16, now_ns: u64) -> u64 {
        let Some(account) = self.accounts.iter().find(|account| account.domain == domain) else {
            return now_ns;
        };
        if account.credit >= 0 {
            return now_ns;
        }
        self.update(domain, now_ns);
        let domains = self.accounts.len() as i64;
        let account = self.accounts.iter().find(|account| account.domain == domain);
        let debt = account.map_or(0, |account| -account.credit);
        if debt <= 0 {
            return now_ns;
        }
        let wait_ms = (debt * 1000 * domains / RATE).max(1) as u64;
        now_ns + wait_ms * NS_PER_MS
    }

    fn update(&mut self, domain: u16, now_ns: u64) {
        let domains = self.accounts.len() as i64;
        let Some(account) = self.accounts.iter_mut().find(|account| account.domain == domain)
        else {
            return;
        };
        let now_ms = now_ns / NS_PER_MS;
        let elapsed_ms = now_ms.saturating_sub(account.updated_ms) as i64;
        account.updated_ms = now_ms;
        account.credit += elapsed_ms * RATE / (domains * 1000);
        // Out of debt with the reserve's help; what is above the burst goes into the reserve.
        let help = (-account.credit).min(self.reserve).max(0);
        account.credit += help;
        self.reserve -= help;
        let surplus = (account.credit - BURST).max(0);
        account.credit -= surplus;
        self.reserve += surplus.min(RESERVE_MAX - self.reserve).max(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut limiter = WriteLimiter::default();
        limiter.add(1, 0);
        // The burst, and one write on credit: the balance may go below zero once.
        for _ in 0..10 {
            limiter.debit(1, 0);
            assert_eq!(limiter.ready_at(1, 0), 0);
        }
        limiter.debit(1, 0);
        let ready = limiter.ready_at(1, 0);
        assert_eq!(ready, 5 * NS_PER_MS, "200 writes a second for one domain");
        assert_eq!(limiter.ready_at(1, ready), ready);
    }
}
