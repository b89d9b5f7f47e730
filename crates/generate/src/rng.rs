//! Random numbers that are the same on every machine.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, one multiply-mix per number, and streams
//! that are split by key, so that patient 731 can be drawn without drawing the 730 before.
//! Only `+ - * /` and `sqrt` are used on floats: these are exact in IEEE 754, so bytes do not depend
//! on a C library. Not for secrets.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream of `seed`, `purpose` and `index`; different triples give unrelated streams.
    pub fn new(seed: u64, purpose: u64, index: u64) -> Rng {
        let a = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
        let b = mix(a ^ purpose.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        Rng { state: mix(b ^ index.wrapping_mul(0x94d0_49bb_1331_11eb)) }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number in `0..n`; `n` must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0)");
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "range {low}..={high}");
        low + self.below((high - low + 1) as u64) as i64
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// About normal, mean 0 and standard deviation 1, within -3.5..3.5 (sum of uniforms).
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..3 {
            let bits = self.bits();
            for shift in [0, 16, 32, 48] {
                sum += ((bits >> shift) & 0xffff) as f64;
            }
        }
        ((sum / 65_536.0) - 6.0).clamp(-3.5, 3.5)
    }

    /// A waiting time with mean `mean` (exponential).
    pub fn wait(&mut self, mean: f64) -> f64 {
        -logarithm(1.0 - self.unit()) * mean
    }

    /// One of `items`, all equally likely; `items` must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// An index into `weights`, each as likely as its weight; the sum must not be 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let mut left = self.below(total);
        for (idx, weight) in weights.iter().enumerate() {
            if left < u64::from(*weight) {
                return idx;
            }
            left -= u64::from(*weight);
        }
        weights.len() - 1
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `x` to the power `y` for `x > 0`, from sums and products only.
///
/// Shape: relative error below 1e-9 for the arguments used here (0.01..100, -2..2).
pub fn power(x: f64, y: f64) -> f64 {
    assert!(x > 0.0, "power of {x}");
    exponential(y * logarithm(x))
}

fn logarithm(mut x: f64) -> f64 {
    let mut halvings = 0.0;
    while x > 1.5 {
        x /= 2.0;
        halvings += 1.0;
    }
    while x < 0.75 {
        x *= 2.0;
        halvings -= 1.0;
    }
    let t = (x - 1.0) / (x + 1.0);
    let t2 = t * t;
    let (mut term, mut sum) = (t, 0.0);
    for n in 0..14 {
        sum += term / f64::from(2 * n + 1);
        term *= t2;
    }
    2.0 * sum + halvings * std::f64::consts::LN_2
}

fn exponential(x: f64) -> f64 {
    let small = x / 1024.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..8 {
        term *= small / f64::from(n);
        sum += term;
    }
    for _ in 0..10 {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable_and_apart() {
        let mut a = Rng::new(1, 2, 3);
        let mut again = Rng::new(1, 2, 3);
        let mut other = Rng::new(1, 2, 4);
        let first = a.bits();
        assert_eq!(first, again.bits());
        assert_ne!(first, other.bits());
    }

    #[test]
    fn normal_has_mean_zero_and_deviation_one() {
        let mut rng = Rng::new(7, 0, 0);
        let n = 20_000;
        let values: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn power_agrees_with_known_values() {
        for (x, y, expected) in [(3.0, 0.5, 1.732_050_807_6), (0.9938, 40.0, 0.779_756_5)] {
            assert!((power(x, y) - expected).abs() < 1e-5, "{x}^{y} = {}", power(x, y));
        }
        assert!((power(10.0, -1.2) - 0.063_095_734).abs() < 1e-8);
    }
}
