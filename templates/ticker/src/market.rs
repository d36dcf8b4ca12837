//! A market that is made up: each price wanders at random, a little drawn to where it began. The same seed makes the
//! same prices.

use crate::Stock;

/// How far a price goes in one step, as a part of it.
const STEP: f64 = 0.004;
/// How much of its distance from where it began it comes back in one step: it wanders, but not out of sight.
const PULL: f64 = 0.002;

/// The shares that are traded, and what they cost.
#[derive(Debug)]
pub struct Market {
    shares: Vec<Share>,
    dice: Dice,
}

/// A share's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The symbol.
    pub symbol: &'static str,
    /// What it costs now.
    pub cents: u64,
    /// What it cost when the market opened.
    pub open_cents: u64,
    /// What it's drawn to.
    home_cents: u64,
}

impl Share {
    /// How far it is from the opening's price, in percent.
    pub fn change(&self) -> f64 {
        let open = number(self.open_cents);
        (number(self.cents) - open) / open * 100.0
    }
}

impl Market {
    /// A market with these stocks; the same seed makes the same prices.
    pub fn new<'a>(stocks: impl IntoIterator<Item = &'a Stock>, seed: u64) -> Self {
        let shares = stocks
            .into_iter()
            .map(|stock| Share {
                symbol: stock.symbol,
                cents: stock.cents,
                open_cents: stock.cents,
                home_cents: stock.cents,
            })
            .collect();
        Self {
            shares,
            dice: Dice(seed),
        }
    }

    /// All shares as they are.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The market opens: each share's price is the one to compare with.
    pub fn open(&mut self) {
        for share in &mut self.shares {
            share.open_cents = share.cents;
        }
    }

    /// One share, by chance, gets another price. `None` in a market without shares.
    pub fn trade(&mut self) -> Option<Share> {
        let pick = self.dice.below(self.shares.len())?;
        // Four throws make small steps frequent and large ones rare.
        let throw = (0..4).map(|_| self.dice.fraction() - 0.5).sum::<f64>();
        let share = &mut self.shares[pick];
        let (price, home) = (number(share.cents), number(share.home_cents));
        let next = price * (1.0 + STEP * throw) + (home - price) * PULL;
        share.cents = cents(next);
        Some(*share)
    }
}

#[allow(clippy::cast_precision_loss)]
fn number(cents: u64) -> f64 {
    cents as f64
}

/// Whole cents, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn cents(price: f64) -> u64 {
    price.round().max(1.0) as u64
}

/// Chance that can be repeated: the generator SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in 0..1.
    #[allow(clippy::cast_precision_loss)]
    fn fraction(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in 0..limit.
    fn below(&mut self, limit: usize) -> Option<usize> {
        let limit = u64::try_from(limit).ok()?;
        usize::try_from(self.throw().checked_rem(limit)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::STOCKS;

    fn prices(seed: u64) -> Vec<Share> {
        let mut market = Market::new(&STOCKS, seed);
        (0..2000).filter_map(|_| market.trade()).collect()
    }

    #[test]
    fn a_seed_makes_its_own_prices_and_always_the_same() {
        assert_eq!(prices(7), prices(7));
        assert_ne!(prices(7), prices(8));
    }

    #[test]
    fn every_share_is_traded_and_none_goes_out_of_sight() {
        let prices = prices(1);
        for stock in &STOCKS {
            let of = |share: &&Share| share.symbol == stock.symbol;
            let own: Vec<u64> = prices.iter().filter(of).map(|share| share.cents).collect();
            assert!(own.len() > 200, "{}", stock.symbol);
            assert!(own.iter().any(|cents| *cents > stock.cents));
            assert!(own.iter().any(|cents| *cents < stock.cents));
            let range = stock.cents / 2..stock.cents * 2;
            assert!(own.iter().all(|cents| range.contains(cents)));
        }
    }

    #[test]
    fn an_opening_sets_what_prices_are_compared_with() {
        let mut market = Market::new(&STOCKS[..1], 3);
        let traded = (0..50).filter_map(|_| market.trade()).last().unwrap();
        assert_eq!(traded.open_cents, STOCKS[0].cents);
        assert!(traded.change() != 0.0);
        market.open();
        assert_eq!(market.shares()[0].open_cents, traded.cents);
        assert_eq!(market.shares()[0].change().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_market_without_shares_has_no_trade() {
        assert_eq!(Market::new(&[], 1).trade(), None);
    }
}
