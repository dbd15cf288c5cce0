//! Chance that a seed gives, so that a run can be had again.

/// A seeded source of chance: splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// The source of the `n`th of those who draw under one seed.
    pub(super) fn of(seed: u64, n: u64) -> Self {
        let mut mixed = Self(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let start = mixed.next();
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub(super) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One of these, which are not none; the first of a pair is its weight.
    pub(super) fn pick<T: Copy>(&mut self, weighted: &[(u64, T)]) -> T {
        let total: u64 = weighted.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.next() % total.max(1);
        for (weight, choice) in weighted {
            if drawn < *weight {
                return *choice;
            }
            drawn -= weight;
        }
        weighted[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_again_and_another_one_does_not() {
        let draw = |seed, n| {
            let mut chance = Chance::of(seed, n);
            (0..20).map(|_| chance.range(0, 1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn draws_keep_to_what_they_were_told() {
        let mut chance = Chance::of(1, 1);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&chance.range(3, 5)));
            assert_eq!(chance.pick(&[(0, 'a'), (3, 'b'), (0, 'c')]), 'b');
            assert!(!chance.percent(0) && chance.percent(100));
        }
    }
}
